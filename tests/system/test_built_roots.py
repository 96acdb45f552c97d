"""Built images on each file system, and an image as clouds have it with a seed: booted, and grown."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from domus.client import Client
from domus.lab import disks
from domus.lab.host import LabHost
from tests.system.conftest import XM_PROGRAM, Xm

# systemd takes a minute or two in an emulated guest, GRUB before it as long.
pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(3600)]

BOOT_S = 1500

#: says on the console what is mounted as the root, and how large it is
TELLER = """[Unit]
After=local-fs.target systemd-growfs-root.service
[Service]
Type=oneshot
StandardOutput=tty
ExecStart=/bin/sh -c "echo ROOT $(findmnt -bno FSTYPE,SIZE,OPTIONS --first-only /)"
"""

USER_DATA = """#cloud-config
preserve_hostname: false
runcmd:
  - [sh, -c, "echo seeded: $(hostname) $(findmnt -no SOURCE /) > /dev/hvc0"]
"""


@pytest.fixture(scope="module")
def images(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the module's own."""
    folder = tmp_path_factory.mktemp("images")
    environment["XM_IMAGES"] = str(folder)
    return folder


def build(environment: dict[str, str], *words: str) -> None:
    argv = [XM_PROGRAM, "image", "build", *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr


def printed(client: Client, name: str, wanted: str) -> re.Match[str]:
    """Wait until the guest has printed, in this boot, what fits a pattern."""
    seen, end = "", time.monotonic() + BOOT_S
    with client.console(name, write=False) as console:
        while (found := re.search(wanted, seen)) is None:
            assert time.monotonic() < end, f"the guest printed only {seen[-2000:]!r}"
            seen += (console.receive(1.0) or b"").decode(errors="replace")
    return found


@pytest.mark.parametrize(("file_system", "kind"), [("xfs", "pvh"), ("btrfs", "pv")])
def test_a_guest_boots_from_each_file_system_and_from_it_grown(
    file_system: str,
    kind: str,
    environment: dict[str, str],
    images: Path,
    xm: Xm,
    lab_host: LabHost,
    workplace: Path,
) -> None:
    units = workplace / f"{file_system}-files/etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "teller.service").write_text(TELLER)
    (units / "multi-user.target.wants/teller.service").symlink_to("../teller.service")
    laid = str(workplace / f"{file_system}-files")
    build(environment, file_system, "--fs", file_system, "--size", "1G", "--release-files", laid)
    config = f'name = "{file_system}"\ntype = "{kind}"\nmemory = 288\ndisk = ["image:{file_system},xvda,w"]\n'
    (workplace / f"{file_system}.cfg").write_text(config)

    sizes = []
    client = lab_host.client()
    try:
        for size in ("1G", "2G"):
            if size != "1G":
                assert file_system in xm("image", "resize", file_system, size).stdout
            xm("create", "-q", f"{file_system}.cfg")
            told = printed(client, file_system, r"ROOT (?P<type>\w+) +(?P<bytes>\d+) (?P<options>\S+)\s")
            assert told["type"] == file_system
            assert told["options"].startswith("rw,")
            sizes.append(int(told["bytes"]))
            xm("shutdown", "-w", file_system)
            for lent in disks.luns(lab_host.name):
                disks.take_back(lab_host.name, Path(lent.path))
    finally:
        client.close()
        xm("destroy", file_system, check=False)
    assert sizes[1] > sizes[0] + (900 << 20)


def test_the_image_of_a_cloud_takes_what_a_seed_says(
    environment: dict[str, str], images: Path, xm: Xm, lab_host: LabHost, workplace: Path
) -> None:
    build(environment, "made", "--packages", "cloud-init", "--size", "1G")
    # As a cloud's images come: qcow2, with nothing of its guest in it.
    cloudy = workplace / "cloudy.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", images / "made.raw", cloudy], check=True)
    xm("image", "import", str(cloudy), "cloudy")
    (workplace / "user-data").write_text(USER_DATA)
    xm("image", "seed", "cloudy-seed", str(workplace / "user-data"), "--hostname", "nimbus")
    (workplace / "cloudy.cfg").write_text(
        'name = "cloudy"\ntype = "pvh"\nmemory = 320\n'
        'disk = ["image:cloudy,xvda,w", "image:cloudy-seed,xvdb,r"]\n'
    )
    client = lab_host.client()
    try:
        xm("create", "-q", "cloudy.cfg")
        told = printed(client, "cloudy", r"seeded: (\S+) (\S+)\s")
        assert (told[1], told[2]) == ("nimbus", "/dev/xvda2"), "GRUB is in the first partition"
    finally:
        client.close()
        xm("destroy", "cloudy", check=False)
