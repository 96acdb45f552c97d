"""Distributions with tools of their own: dnf, apk, pacman, zypper, where those are installed.

UNTRIED: none of these tools is on the machines that Domus is tested on.
"""

from __future__ import annotations

from pathlib import Path

from domus.model.errors import BadInput
from domus.programs import Argument, run
from domus.storage.images.build.template import Wanted
from domus.storage.images.names import Report

_GRUB = {"fedora": "grub2-pc-modules", "arch": "grub", "alpine": "grub-bios", "opensuse": "grub2-i386-pc"}
_KERNEL = {
    "fedora": "kernel-core",
    "arch": "linux",
    "alpine": "linux-virt",
    "opensuse": "kernel-default-base",
}
_BASE = {
    "fedora": ("systemd", "systemd-networkd", "systemd-resolved", "dnf", "passwd", "iproute", "shadow-utils"),
    "arch": ("base", "sudo"),
    "alpine": ("alpine-base", "openrc", "shadow"),
    "opensuse": ("systemd", "systemd-network", "zypper", "iproute2", "shadow"),
}
_SSH = {"fedora": "openssh-server", "arch": "openssh", "alpine": "openssh", "opensuse": "openssh-server"}


def bootstrap(wanted: Wanted, root: Path, report: Report) -> None:
    """Fill folder `root` with the distribution's own tool.

    Raises:
        ProgramFailed: the tool failed.
        BadInput: the tool needs a mirror, and none is given.
    """
    report(f"installing {wanted.distribution}", None)
    root.mkdir()
    run(_command(wanted, root, _packages(wanted)))


def _packages(wanted: Wanted) -> list[str]:
    kind, template = wanted.distribution, wanted.template
    found = [*_BASE[kind], *template.packages]
    if template.kernel != "none":
        found += [template.kernel or _KERNEL[kind], _GRUB[kind]]
    if wanted.keys:
        found.append(_SSH[kind])
    if template.user:
        found.append("sudo")
    if wanted.user_data:
        found.append("cloud-init")
    return list(dict.fromkeys(found))


def _command(wanted: Wanted, root: Path, packages: list[str]) -> list[Argument]:
    template = wanted.template
    if wanted.distribution == "fedora":
        source = [f"--repofrompath=mirror,{template.mirror}", "--repo=mirror"] if template.mirror else []
        return [
            *("dnf", "--assumeyes", f"--installroot={root}", f"--releasever={template.suite}", *source),
            *("--setopt=install_weak_deps=False", "--use-host-config", "install", *packages),
        ]
    if wanted.distribution == "alpine":
        if not template.mirror:
            raise BadInput(
                "Alpine needs --mirror", hint="the address of a repository, with branch and 'main'"
            )
        keys = ["--keys-dir", template.keyring] if template.keyring else []
        return ["apk", "--root", root, "--initdb", "--repository", template.mirror, *keys, "add", *packages]
    if wanted.distribution == "arch":
        return ["pacstrap", "-K", root, *packages]
    if not template.mirror:
        raise BadInput("openSUSE needs --mirror", hint="the address of its 'oss' repository")
    plus = ["--root", str(root), "--non-interactive", "--plus-repo", template.mirror]
    return ["zypper", *plus, "install", "--no-recommends", *packages]
