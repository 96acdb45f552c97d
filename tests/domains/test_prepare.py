"""Everything wrong with a configuration on this host is found before anything of the domain exists."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from domus.devices.vbd import Claim
from domus.domains import prepare
from domus.model.config import DeviceModel, Disk, DiskFormat, DomainConfig, GuestType, Nic
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import AlreadyExists, BadInput, DomusError, InUse, NotFound
from domus.programs import run
from domus.storage import footprint
from domus.storage.blobs import BlobStore

ELF = b"\x7fELF" + bytes(100)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096))
    return path


def config(tmp_path: Path, **fields: object) -> DomainConfig:
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(gzip.compress(ELF))
    return prepare.chosen(DomainConfig(**{"name": "web", "kernel": str(kernel)} | fields))  # type: ignore[arg-type]


def test_a_kernel_is_handed_to_xen_unpacked(tmp_path: Path, store: BlobStore) -> None:
    prepared = prepare.prepare(config(tmp_path), store, [])
    assert prepared.config.kernel is not None
    assert Path(prepared.config.kernel).read_bytes() == ELF


def test_the_kernel_of_an_hvm_guest_stays_as_it_is(tmp_path: Path, store: BlobStore) -> None:
    prepared = prepare.prepare(config(tmp_path, guest_type=GuestType.HVM), store, [])
    assert prepared.config.kernel == str(tmp_path / "vmlinuz")


def test_a_device_model_in_a_stub_domain_is_refused(tmp_path: Path, store: BlobStore) -> None:
    stubdomain = DeviceModel(stubdomain=True)
    wanted = config(tmp_path, guest_type=GuestType.HVM, device_model=stubdomain)
    with pytest.raises(BadInput, match="a device model in a stub domain is not supported"):
        prepare.prepare(wanted, store, [])


def test_uuid_and_macs_are_chosen_once_and_kept() -> None:
    first = prepare.chosen(DomainConfig(name="web", nics=(Nic(), Nic(mac="00:16:3e:00:00:01"))))
    assert first.uuid is not None
    assert re.fullmatch(r"00:16:3e(:[0-9a-f]{2}){3}", first.nics[0].mac or "")
    assert first.nics[1].mac == "00:16:3e:00:00:01"
    assert prepare.chosen(first) == first


def test_an_image_file_needs_a_loop_device_and_a_qcow2_does_not(
    tmp_path: Path, store: BlobStore, image: Path
) -> None:
    other = tmp_path / "other.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", other, "1M"])
    disks = (
        Disk(vdev="xvda", target=str(image)),
        Disk(vdev="xvdb", target=str(other), format=DiskFormat.QCOW2),
        Disk(vdev="xvdc", cdrom=True, format=DiskFormat.EMPTY),
    )
    prepared = prepare.prepare(config(tmp_path, disks=disks), store, [])
    assert [target.path for target in prepared.images().values()] == [str(image)]
    assert prepared.vbds() == [51712]
    connected = prepared.connected({0: "/dev/loop7"})
    assert (connected.disks[0].target, connected.disks[0].backend) == ("/dev/loop7", "phy")
    assert connected.disks[1].target == str(other)
    assert connected.disks[1].script is None
    assert connected.disks[2] == disks[2]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"kernel": "/no/vmlinuz"}, NotFound, "Kernel image does not exist: /no/vmlinuz"),
        ({"kernel": "/etc/hostname"}, BadInput, "/etc/hostname: neither an ELF file nor a bzImage"),
        ({"kernel": "/etc"}, BadInput, "Kernel image /etc is no file"),
        ({"kernel": "vmlinuz"}, BadInput, "not an absolute path"),
        ({"kernel": "sha256:" + "0" * 64}, NotFound, "no blob 0000"),
        ({"kernel": "sha256:../../etc/passwd"}, BadInput, "invalid blob name"),
        ({"kernel": None}, BadInput, "a pv guest needs a kernel, or a disk to boot from"),
        ({"ramdisk": "/no/initrd"}, NotFound, "Kernel ramdisk does not exist: /no/initrd"),
        ({"nics": (Nic(bridge="nobr0"),)}, NotFound, r"bridge 'nobr0' does not exist \(this host has"),
        ({"nics": (Nic(network="lan"),)}, NotFound, "no network 'lan'"),
        ({"disks": (Disk(vdev="xvda", target="/no.img"),)}, NotFound, "Disk image does not exist: /no.img"),
        ({"disks": (Disk(vdev="nonsense", target="/no.img"),)}, BadInput, "nonsense"),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, store: BlobStore, fields: dict[str, object], error: type[DomusError], message: str
) -> None:
    with pytest.raises(error, match=message):
        prepare.prepare(config(tmp_path, **fields), store, [])


def test_a_disk_of_another_domain_is_refused(tmp_path: Path, store: BlobStore, image: Path) -> None:
    disks = (Disk(vdev="xvda", target=str(image)),)
    other = Claim("domain 'db'", str(image), footprint.of_path(image), writable=True)
    with pytest.raises(InUse) as caught:
        prepare.prepare(config(tmp_path, disks=disks), store, [other])
    assert caught.value.for_user().startswith(f"disk[0]: {image} is in use for writing by domain 'db' (")


def test_one_image_twice_in_a_domain_is_refused(tmp_path: Path, store: BlobStore, image: Path) -> None:
    disks = (Disk(vdev="xvda", target=str(image)), Disk(vdev="xvdb", target=str(image), writable=False))
    with pytest.raises(InUse, match=r"by disk\[0\]"):
        prepare.prepare(config(tmp_path, disks=disks), store, [])


def test_a_user_who_answers_for_it_may_share_a_disk(tmp_path: Path, store: BlobStore, image: Path) -> None:
    disks = (Disk(vdev="xvda", target=str(image), shared=True),)
    other = Claim("domain 'db'", str(image), footprint.of_path(image), writable=True)
    assert prepare.prepare(config(tmp_path, disks=disks), store, [other]).claims


def test_a_name_or_uuid_in_use_is_said_in_xms_words() -> None:
    wanted = prepare.chosen(DomainConfig(name="web"))
    running = DomainInfo(name="web", domid=4, uuid="x", state=RunState.BLOCKED)
    with pytest.raises(AlreadyExists, match=r"^Domain 'web' already exists with ID '4'$"):
        prepare.check_identity(wanted, [running])
    same = DomainInfo(name="db", domid=5, uuid=wanted.uuid or "", state=RunState.BLOCKED)
    with pytest.raises(AlreadyExists, match="Domain 'db' already exists with ID '5'"):
        prepare.check_identity(wanted, [same])


@pytest.mark.parametrize("name", ["", "a b", "5", "../x", "x" * 200])
def test_an_impossible_name_is_refused_first(name: str) -> None:
    with pytest.raises(BadInput):
        prepare.chosen(DomainConfig(name=name))


def test_a_card_keeps_the_mac_that_was_chosen_for_its_place() -> None:
    known = DomainConfig(name="web", nics=(Nic(mac="00:16:3e:00:00:01"), Nic(mac="00:16:3e:00:00:02")))
    asked = DomainConfig(name="web", nics=(Nic(bridge="xenbr0"), Nic(mac="00:16:3e:00:00:09"), Nic()))
    macs = [nic.mac for nic in prepare.with_macs_of(asked, known).nics]
    assert macs == ["00:16:3e:00:00:01", "00:16:3e:00:00:09", None]
    moved = DomainConfig(name="web", nics=(Nic(), Nic(mac="00:16:3e:00:00:01")))
    assert [nic.mac for nic in prepare.with_macs_of(moved, known).nics] == [None, "00:16:3e:00:00:01"]
