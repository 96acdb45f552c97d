"""The lab's other hypervisor: Debian's Xen, built from its source package with what Debian leaves out.

Shadow paging, without which a paravirtualized guest cannot move while it runs; and XSM with FLASK, for
security labels. Everything else of a host is the image's: the tools fit, since the source is the same, or at
least of the same release branch, within which the hypervisor's interface does not change.

A finished one is a folder with
    xen              the hypervisor
    xenpolicy        the policy of the source tree, which QEMU hands over as a boot module
    hypervisor.json  what it was made from
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cmp_to_key
from pathlib import Path
from typing import Final

import msgspec

from domus.lab import paths
from domus.lab.built import build_once, remove
from domus.lab.image import Image
from domus.lab.prerequisites import KEYRING
from domus.lab.progress import Report, silent
from domus.lab.record import Hypervisor
from domus.model.errors import HostProblem, NotFound, ProgramFailed
from domus.programs import paste, run, start

#: what is set in Xen's configuration; all else is as Xen has it by itself. Memory sharing stays out: together
#: with these, Xen 4.20 dies at boot.
OPTIONS: Final = {
    "EXPERT": "y",
    "UNSUPPORTED": "y",
    "DEBUG": "n",
    "SHADOW_PAGING": "y",
    "XSM": "y",
    "XSM_FLASK": "y",
    "XSM_FLASK_POLICY": "y",
    "MEM_SHARING": "n",
}

#: what building takes, and the Debian package that brings each
PROGRAMS: Final = {
    "apt-get": "apt",
    "dpkg-source": "dpkg-dev",
    "unsquashfs": "squashfs-tools",
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "m4": "m4",
    "checkpolicy": "checkpolicy",
}

#: of this module's own work; counted up when the result is another one
_FORMAT: Final = 2

#: MiB: the sources and all object files
BUILD_SPACE_MIB: Final = 900

#: lines that the build prints, to tell how far it is (Xen 4.17: some 700)
_LINES: Final = 700

_PACKAGE: Final = re.compile(r"^Package: xen-hypervisor-[\d.]+-amd64$.*?^Version: (\S+)$", re.M | re.S)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished hypervisor was made from, as hypervisor.json says."""

    version: str  #: of the source package
    wanted: str  #: of the image's own Xen, whose source would have been taken if it could be had
    image: str
    options: dict[str, str]


class Built(msgspec.Struct, frozen=True):
    """A finished hypervisor."""

    folder: Path

    @property
    def xen(self) -> Path:
        """The hypervisor, a plain ELF file."""
        return self.folder / "xen"

    @property
    def policy(self) -> Path:
        """FLASK's policy."""
        return self.folder / "xenpolicy"

    @property
    def name(self) -> str:
        """The name by which `xm lab image` knows it."""
        return self.folder.name

    @property
    def origin(self) -> Origin:
        """What it was made from."""
        return msgspec.json.decode((self.folder / "hypervisor.json").read_bytes(), type=Origin)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


def name_for(image: str) -> str:
    """The name of the full hypervisor that fits the tools of the image of this name."""
    recipe = msgspec.json.encode((image, OPTIONS, _FORMAT))
    suite = image.partition("-")[0]
    return f"{Hypervisor.FULL}-{suite}-{hashlib.sha256(recipe).hexdigest()[:12]}"


def wanted(image: Image, report: Report = silent) -> Built:
    """The full hypervisor for an image, built first if it is not there.

    Raises:
        NotFound: a program that building takes is not installed.
        ProgramFailed: the source cannot be had, or does not build.
    """
    folder = build_once(
        paths.hypervisors_dir() / name_for(image.name),
        lambda part: _build(part, image, report),
        space_mib=BUILD_SPACE_MIB,
        on_wait=lambda: report("another process is building this hypervisor: waiting for it", None),
    )
    return Built(folder)


def built() -> list[Built]:
    """All finished ones, sorted by name."""
    return [Built(note.parent) for note in sorted(paths.hypervisors_dir().glob("*/hypervisor.json"))]


def delete(name: str) -> bool:
    """Remove a finished one; whether there was one of that name."""
    if name not in [each.name for each in built()]:
        return False
    remove(paths.hypervisors_dir() / name)
    return True


def check_programs() -> None:
    """Raises NotFound unless everything that building takes is installed; the hint says how to get it."""
    missing = {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if missing:
        raise NotFound(
            f"building a hypervisor takes {', '.join(missing)}",
            hint=f"sudo apt install {' '.join(dict.fromkeys(missing.values()))}",
        )


def _build(folder: Path, image: Image, report: Report) -> None:
    check_programs()
    work = folder / "work"
    work.mkdir()
    report("finding Xen's source package", 0.0)
    wanted = _version(image)
    source, version = _fetch(work, image, wanted, report)
    compile_source(source, folder, report)
    origin = Origin(version=version, wanted=wanted, image=image.name, options=OPTIONS)
    (folder / "hypervisor.json").write_bytes(msgspec.json.encode(origin))
    shutil.rmtree(work)
    report("hypervisor built", 1.0)


def _version(image: Image) -> str:
    """The version of the Xen in the image."""
    status = _of_root(image, "var/lib/dpkg/status")
    found = _PACKAGE.search(status)
    if found is None:
        raise HostProblem(
            f"image {image.name} has no Debian package of Xen", hint="xm lab image rm, and build"
        )
    return found[1]


def _of_root(image: Image, path: str) -> str:
    return run(["unsquashfs", "-cat", image.folder / "root.squashfs", path]).stdout


def _fetch(work: Path, image: Image, wanted: str, report: Report) -> tuple[Path, str]:
    """Xen's sources with Debian's patches, from where the image came from; signatures are checked by apt.

    Returns:
        The unpacked sources, and their version.
    """
    for name in ("lists/partial", "archives/partial", "source"):
        (work / name).mkdir(parents=True)
    lines = [
        re.sub(r"^deb(\s+\[[^\]]*\])?", f"deb-src [signed-by={KEYRING}]", line)
        for line in _of_root(image, "etc/apt/sources.list").splitlines()
        if line.startswith("deb ")
    ]
    (work / "sources.list").write_text("".join(f"{line}\n" for line in lines))
    settings = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::State": work,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": work,
        "APT::Sandbox::User": "",
    }
    (work / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    apt = {"APT_CONFIG": str(work / "apt.conf")}
    report("reading Debian's list of sources", 0.02)
    _apt(["apt-get", "-q", "update"], apt, work)
    report("downloading Xen's source", 0.06)
    listed = _apt(["apt-cache", "showsrc", "--only-source", "xen"], apt, work)
    version = _download(
        candidates(wanted, re.findall(r"^Version: (\S+)$", listed, re.M)), apt, work / "source"
    )
    if version != wanted:
        report(f"the source of Xen {wanted} cannot be had: {version} it is", None)
    report("unpacking Xen's source", 0.10)
    packed = work / "source" / f"xen_{version.partition(':')[2] or version}.dsc"
    # apt has checked it against the signed list
    run(["dpkg-source", "--no-check", "-x", packed, work / "xen"])
    return work / "xen", version


def candidates(wanted: str, listed: Iterable[str]) -> list[str]:
    """Versions of Xen's source that fit the tools of version `wanted`, the best first."""
    branch = re.compile(re.escape(".".join(re.split(r"[.+~-]", wanted)[:2])) + r"(?!\d)")

    def newer_first(one: str, other: str) -> int:
        return -1 if run(["dpkg", "--compare-versions", one, "gt", other], check=False).status == 0 else 1

    others = {version for version in listed if version != wanted and branch.match(version)}
    return [wanted, *sorted(others, key=cmp_to_key(newer_first))]


def _download(versions: list[str], apt: dict[str, str], folder: Path) -> str:
    """The first version that the mirror has: old ones leave it, and its lists may be ahead of it."""
    first: ProgramFailed | None = None
    for version in versions:
        try:
            _apt(["apt-get", "-q", "source", "--download-only", f"xen={version}"], apt, folder)
        except ProgramFailed as error:
            first = first or error
        else:
            return version
    assert first is not None  # noqa: S101 - there is always one version to try
    raise first


def _apt(argv: list[str], env: dict[str, str], folder: Path) -> str:
    done = run(argv, env=env, cwd=folder, check=False)
    if done.status:
        wrong = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("E:")]
        raise ProgramFailed(
            f"Xen's source package cannot be had: {wrong[0].removeprefix('E: ') if wrong else done.stderr}",
            hint="an older image's version may have left the mirror: xm lab image rm, and build again",
        )
    return done.stdout


def compile_source(source: Path, folder: Path, report: Report = silent) -> None:
    """Put `xen` and `xenpolicy`, built from unpacked sources, into `folder`.

    Raises:
        HostProblem: this Xen does not have an option that is wanted.
        ProgramFailed: it does not build.
    """
    config = source / "xen/.config"
    config.write_text("".join(f"CONFIG_{key}={value}\n" for key, value in OPTIONS.items()))
    _make(source, ["olddefconfig"], report, None)
    taken = set(config.read_text().splitlines())
    refused = [key for key, value in OPTIONS.items() if value == "y" and f"CONFIG_{key}=y" not in taken]
    if refused:
        raise HostProblem(f"this Xen cannot be built with {', '.join(refused)}")
    _make(source, [f"-j{len(os.sched_getaffinity(0))}"], report, (0.12, 0.98))
    shutil.copyfile(source / "xen/xen", folder / "xen")
    shutil.copyfile(source / "xen/xsm/flask/policy.bin", folder / "xenpolicy")


def _make(source: Path, words: list[str], report: Report, shares: tuple[float, float] | None) -> None:
    argv = ["make", "-C", str(source / "xen"), *words]
    report("configuring Xen" if shares is None else "compiling Xen", 0.11 if shares is None else shares[0])
    said: list[str] = []
    with start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for number, raw in enumerate(process.stdout):
                said = [*said[-40:], raw.decode(errors="replace").strip()]
                if shares is not None:
                    share = min(number / _LINES, 1.0)
                    report("compiling Xen", shares[0] + share * (shares[1] - shares[0]))
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
    if status:
        wrong = [line for line in said if "error" in line.lower()] or said or ["no output"]
        raise ProgramFailed(f"Xen does not build: {wrong[0]}", hint=f"run it by hand: {paste(argv)}")
