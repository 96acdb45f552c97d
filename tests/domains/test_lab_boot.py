"""Guests with a kernel of their own on real Xen: by GRUB inside the guest, and by pygrub in its cell."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domus.lab import disks
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig, GuestType
from domus.model.errors import BadInput, DomusError
from domus.storage import kernels
from tests.conftest import check_traces, traces
from tests.domains.guests import create, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

MIB = 1 << 20
START = 2048  # sectors: where the partition begins

GRUB_CFG = """set timeout=0
set default=0
menuentry "own kernel" {{
    linux {kernel} root=/dev/xvda1 console=hvc0 quiet name=own
    initrd /boot/initrd
}}
"""

Made = Callable[..., Path]


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, small_guest: tuple[Path, Path]) -> Made:
    """Makes a disk with a partition, ext4, and the small guest's kernel in it; nothing is mounted."""

    def make(kernel: str, content: bytes | int, size_mib: int = 96) -> Path:
        folder = tmp_path_factory.mktemp("disk")
        (folder / "root/boot/grub").mkdir(parents=True)
        shutil.copy(small_guest[1], folder / "root/boot/initrd")
        (folder / "root/boot/grub/grub.cfg").write_text(GRUB_CFG.format(kernel=kernel))
        path = folder / "root" / kernel.lstrip("/")
        with path.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                file.truncate(content)
        image = folder / "disk.img"
        with image.open("wb") as file:
            file.truncate(size_mib * MIB)
        table = f"label: dos\nstart={START}, type=83, bootable\n"
        subprocess.run(["sfdisk", "-q", image], input=table, text=True, check=True)
        blocks = f"{size_mib * 1024 - START // 2}k"
        argv = ["mke2fs", "-q", "-t", "ext4", "-d", str(folder / "root"), "-E", f"offset={START * 512}"]
        subprocess.run([*argv, str(image), blocks], check=True)
        return image

    return make


@pytest.fixture(scope="module")
def packed(lab_host: LabHost, made: Made, small_guest: tuple[Path, Path]) -> str:
    """A disk whose kernel is as distributions have it."""
    return disks.lend(lab_host.name, made("/boot/vmlinuz", small_guest[0].read_bytes()))


@pytest.fixture(scope="module")
def unpacked(lab_host: LabHost, made: Made, small_guest: tuple[Path, Path]) -> str:
    """A disk whose kernel is packed in a way that GRUB can unpack for a PV guest."""
    kernel = gzip.compress(kernels.unpack(small_guest[0]), 1)
    return disks.lend(lab_host.name, made("/boot/vmlinux.gz", kernel))


@pytest.fixture(autouse=True)
def no_cell_is_left(lab_host: LabHost) -> Iterator[None]:
    before = traces(lab_host, "processes")
    yield
    script = "ls -d /var/tmp/xend-boot-* /dev/xend-boot-*; grep xend-boot /proc/mounts"
    assert lab_host.run(["sh", "-c", script], check=False).stdout == ""
    check_traces(lab_host, before)


def own(disk: str, guest_type: GuestType = GuestType.PV, **more: object) -> DomainConfig:
    disks = (Disk(vdev="xvda", target=disk),)
    return DomainConfig(name="own", guest_type=guest_type, memory_mib=256, disks=disks, **more)  # type: ignore[arg-type]


def boots(client: Client, config: DomainConfig) -> None:
    create(client, config)
    try:
        wait_until_up(client, "own")
    finally:
        client.finish(client.destroy("own"))


def test_a_pv_guest_boots_its_own_kernel_by_grub(client: Client, unpacked: str) -> None:
    boots(client, own(unpacked))


def test_a_pvh_guest_boots_its_own_kernel_by_grub(client: Client, packed: str) -> None:
    boots(client, own(packed, GuestType.PVH))


def test_pygrub_takes_a_kernel_out_of_the_guests_disk(client: Client, packed: str) -> None:
    boots(client, own(packed, bootloader="/usr/bin/pygrub", bootloader_args=("-q",)))


def refused(client: Client, config: DomainConfig) -> str:
    with pytest.raises(DomusError) as caught:
        client.finish(client.create(CreateRequest(config=config, paused=True)))
    return caught.value.for_user()


def test_a_kernel_that_is_too_large_is_refused(lab_host: LabHost, client: Client, made: Made) -> None:
    disk = disks.lend(lab_host.name, made("/boot/vmlinuz", 200 * MIB, 256))
    assert "bootloader" in refused(client, own(disk, bootloader="pygrub"))


#: what a pygrub could do that a guest's disk has taken over
EVIL = """#!/bin/sh
for word; do
    case $word in --output=*) out=${word#*=} ;; --output-directory=*) dir=${word#*=} ;; esac
    disk=$word
done
"""


def evil(host: LabHost, text: str) -> str:
    host.put((EVIL + text).encode(), "/usr/local/lib/evil")
    host.run(["chmod", "755", "/usr/local/lib/evil"])
    return "/usr/local/lib/evil"


def test_a_bootloader_that_was_taken_over_can_do_little(
    lab_host: LabHost, client: Client, packed: str
) -> None:
    program = evil(
        lab_host,
        """
        touch /var/tmp/mine /dev/mine /root/mine 2>/dev/null
        dd if=/dev/zero of=$disk bs=512 count=1 2>/dev/null && echo wrote && exit 1
        echo uid $(id -u) read $(dd if=$disk bs=512 count=1 2>/dev/null | wc -c) \\
            shadow $(cat /etc/shadow 2>/dev/null | wc -c) cards $(ip -o link | wc -l) \\
            processes $(ls -d /proc/[0-9]* | wc -l) xen $(xenstore-read domid 2>/dev/null | wc -c)
        exit 1
        """,
    )
    said = refused(client, own(packed, bootloader=program))
    found = re.search(r"uid (\d+) read 512 shadow 0 cards 1 processes (\d+) xen 0", said)
    assert found, said
    assert int(found[1]) >= 61184
    assert int(found[2]) < 12
    assert lab_host.run(["sh", "-c", "ls /var/tmp/mine /dev/mine /root/mine"], check=False).status != 0


@pytest.mark.parametrize(
    "text",
    [
        "ln -s /etc/shadow $dir/k; printf 'kernel %s/k\\0' $dir > $out",
        "printf 'kernel /boot/vmlinuz\\0' > $out",
        "mkfifo $dir/k; printf 'kernel %s/k\\0' $dir > $out",
        "rm $out; ln -s /root/secret $out",
        "yes | head -c 1000000 > $dir/k; printf 'kernel %s/k\\0' $dir > $out",
        "for i in $(seq 1000); do echo more > $dir/$i; done",
    ],
)
def test_what_it_hands_over_is_not_believed(
    lab_host: LabHost, client: Client, packed: str, text: str
) -> None:
    said = refused(client, own(packed, bootloader=evil(lab_host, text)))
    assert "Traceback" not in said
    assert "root:" not in said


@pytest.mark.soak
def test_a_bootloader_that_never_ends_is_ended(lab_host: LabHost, client: Client, packed: str) -> None:
    said = refused(client, own(packed, bootloader=evil(lab_host, "while :; do :; done")))
    # By the clock on a slow machine; else it has used up its CPU seconds, and says nothing.
    assert re.search("the bootloader /usr/local/lib/evil did not end within|evil found nothing to boot", said)


def test_a_bootloader_that_others_can_change_is_refused(
    lab_host: LabHost, client: Client, packed: str
) -> None:
    program = evil(lab_host, "exit 0")
    lab_host.run(["chmod", "777", program])
    assert "can be written by others than root" in refused(client, own(packed, bootloader=program))


def test_an_old_bootloader_is_answered(client: Client, packed: str) -> None:
    with pytest.raises(BadInput, match="domUloader is gone"):
        client.finish(client.create(CreateRequest(config=own(packed, bootloader="domUloader"), paused=True)))
