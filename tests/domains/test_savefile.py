"""Files of saved domains: what is written is read, by us and by xl's rules; nothing else is taken for one."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domus.config.compile import to_libxl
from domus.domains import savefile, savestream, xlfile
from domus.domains.frames import Packer
from domus.domains.saving import as_it_is
from domus.model.api import SaveFormat
from domus.model.config import Disk, DomainConfig, Nic
from domus.model.errors import BadInput, DomusError, NotFound

CONFIG = DomainConfig(
    name="web",
    uuid="6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10",
    memory_mib=96,
    kernel="sha256:00",
    disks=(Disk(vdev="xvda", target="/root/web.img"),),
    nics=(Nic(bridge="xenbr0", mac="00:16:3e:00:00:01"),),
)
WHOLE: list[bytes] = []  # a file of ours, made once
PRESENT = {"max_memkb": 98304, "target_memkb": 65536, "avail_vcpus": [0]}


def document() -> xlfile.Document:
    found = to_libxl(CONFIG)
    found["b_info"] |= PRESENT | {"kernel": "/var/lib/domus/blobs/00.elf"}
    return found


def head_of(file_format: SaveFormat) -> tuple[bytes, int | None]:
    if file_format is SaveFormat.XL:
        return xlfile.header(document(), CONFIG), None
    return savefile.header(document(), CONFIG)


def written(path: Path, stream: bytes) -> bytes:
    """A whole file of ours."""
    head, seed = savefile.header(document(), CONFIG)
    packer = Packer(alive=False, seed=seed)

    def write() -> None:
        savestream.write_all(packer.descriptor, stream)
        packer.end()

    writing = threading.Thread(target=write)
    writing.start()
    path.write_bytes(head + b"".join(packer.frames()))
    writing.join()
    return path.read_bytes()


def checked(path: Path) -> int:
    """What restoring does before it builds anything."""
    descriptor = savefile.open_for_reading(str(path))
    try:
        saved = savefile.parse(descriptor, str(path))
        return savefile.check(descriptor, str(path), saved, lambda _: None)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("file_format", SaveFormat)
def test_what_is_written_is_read(tmp_path: Path, file_format: SaveFormat) -> None:
    path = tmp_path / "web.save"
    head, seed = head_of(file_format)
    path.write_bytes(head + b"stream")
    assert savefile.read(str(path)) == savefile.Saved(CONFIG, PRESENT, len(head), seed)


def test_a_newer_file_is_refused_by_its_version_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.save"
    path.write_bytes(
        savefile.MAGIC + struct.pack(">II", savefile.VERSION + 1, 7) + b"whatever a newer one has"
    )
    with pytest.raises(BadInput, match="written by a newer Domus"):
        savefile.read(str(path))


def test_a_whole_file_is_whole_and_a_part_of_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "web.save"
    stream = os.urandom(100_000) + bytes(300_000)
    whole = written(path, stream)
    assert checked(path) == len(stream)
    for length in (40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BadInput, match="not a valid guest state file"):
            checked(path)
    other = written(tmp_path / "other.save", b"another stream")
    path.write_bytes(whole[: savefile.read(str(tmp_path / "other.save")).stream] + other[-60:])
    with pytest.raises(BadInput, match="not a valid guest state file"):
        checked(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_changed_byte_of_a_file_goes_unnoticed(tmp_path: Path, share: float, flip: int) -> None:
    path = tmp_path / "web.save"
    if not WHOLE:
        WHOLE.append(written(path, bytes(50_000) + b"guest" * 5000))
    whole = bytearray(WHOLE[0])
    whole[int(share * len(whole))] ^= flip
    path.write_bytes(whole)
    with pytest.raises(BadInput, match="not a valid guest state file") as refused:
        checked(path)
    assert "\n" not in refused.value.for_user()


def xl_stream() -> bytes:
    """A stream as libxl writes it, with a memory image of one page."""

    def record(kind: int, body: bytes = b"") -> bytes:
        return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)

    image = struct.pack(">QIIHHI", (1 << 64) - 1, 0x58454E46, 3, 0, 0, 0) + struct.pack(
        "<IHHII", 1, 12, 0, 4, 20
    )
    image += record(1, bytes(8 + 8 + 4096)) + record(0)
    return struct.pack(">8sII", b"LibxlFmt", 2, 0) + record(1) + image + record(2, b"xenstore") + record(0)


def test_a_file_of_xls_is_followed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "xl.save"
    head, stream = xlfile.header(document(), CONFIG), xl_stream()
    path.write_bytes(head + stream)
    assert checked(path) == len(stream)
    for length in range(0, len(stream), 7):
        path.write_bytes(head + stream[:length])
        with pytest.raises(BadInput, match="is cut off"):
            checked(path)
    for place in (0, 11, 16, 24, 33):  # ident, version, record, marker, "XENF"
        damaged = bytearray(stream)
        damaged[place] ^= 0x40
        path.write_bytes(head + damaged)
        with pytest.raises(BadInput, match=r"is (damaged|cut off)"):
            checked(path)


def test_the_head_is_xls(tmp_path: Path) -> None:
    head = xlfile.header(document(), CONFIG)
    magic, order, mandatory, optional, length = struct.unpack_from("=32sIIII", head)
    assert magic == b"Xen saved domain, xl format\n \0 \r"
    assert (order, mandatory, optional, length) == (0x01020304, 3, 0, len(head) - 48)
    size = struct.unpack_from("=I", head, 48)[0]
    theirs = head[52 : 52 + size]
    assert theirs.endswith(b"\0")
    for device in (kind for each in ("disks", "nics") for kind in msgspec.json.decode(theirs[:-1])[each]):
        assert "script" not in device, "xl plugs devices by its own scripts"
    # without our part it is a file of xl's own
    path = tmp_path / "xl.save"
    path.write_bytes(head[:44] + struct.pack("=I", 4 + size) + head[48 : 52 + size])
    saved = savefile.read(str(path))
    assert saved.present == PRESENT
    assert (saved.config.name, saved.config.uuid) == (CONFIG.name, CONFIG.uuid)
    assert [disk.target for disk in saved.config.disks] == ["/root/web.img"]
    assert [nic.mac for nic in saved.config.nics] == ["00:16:3e:00:00:01"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    file_format=st.sampled_from(SaveFormat),
    cut=st.integers(0, 3000),
    at=st.integers(0, 2000),
    byte=st.integers(0, 255),
    flip=st.booleans(),
)
def test_a_damaged_head_is_refused_in_one_line(
    tmp_path: Path, file_format: SaveFormat, cut: int, at: int, byte: int, flip: bool
) -> None:
    head = bytearray(head_of(file_format)[0])
    if flip:
        head[at % len(head)] = byte
    else:
        del head[cut:]
    path = tmp_path / "damaged"
    path.write_bytes(head)
    try:
        saved = savefile.read(str(path))
    except DomusError as error:
        assert "\n" not in error.for_user()
    else:
        assert saved.stream <= len(head) + 256


def test_other_files_are_not_taken_for_saved_domains(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"LinuxGuestRecord" + bytes(100))
    with pytest.raises(BadInput, match="found 'LinuxGuestRecord'"):
        savefile.read(str(path))
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="not a valid guest state file: found ''"):
        savefile.read(str(path))
    with pytest.raises(BadInput, match="not a regular file"):
        savefile.read(str(tmp_path))
    with pytest.raises(NotFound, match="No such file or directory"):
        savefile.read(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="absolute"):
        savefile.read("f")


def test_devices_are_saved_as_they_are_now_in_the_words_they_were_asked_for() -> None:
    present = msgspec.structs.replace(
        CONFIG,
        disks=(Disk(vdev="xvda", target="/dev/loop0"), Disk(vdev="xvdb", target="/root/new.img")),
        nics=(),
    )
    found = as_it_is(CONFIG, present)
    assert found.disks == (CONFIG.disks[0], present.disks[1])
    assert found.nics == ()
    assert found.kernel == CONFIG.kernel
