"""Files of saved domains: what is written is read, by us and by xl's rules; nothing else is taken for one."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domus.config.compile import to_libxl
from domus.domains import savefile
from domus.domains.saving import as_it_is
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
PRESENT = {"max_memkb": 98304, "target_memkb": 65536, "avail_vcpus": [0]}


def document() -> savefile.Document:
    found = to_libxl(CONFIG)
    found["b_info"] |= PRESENT | {"kernel": "/var/lib/domus/blobs/00.elf"}
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "web.save"
    head = savefile.header(document(), CONFIG)
    path.write_bytes(head + b"stream")
    assert savefile.read(str(path)) == savefile.Saved(CONFIG, PRESENT, len(head))


def test_the_head_is_xls(tmp_path: Path) -> None:
    head = savefile.header(document(), CONFIG)
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(cut=st.integers(0, 3000), at=st.integers(0, 2000), byte=st.integers(0, 255), flip=st.booleans())
def test_a_damaged_head_is_refused_in_one_line(
    tmp_path: Path, cut: int, at: int, byte: int, flip: bool
) -> None:
    head = bytearray(savefile.header(document(), CONFIG))
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
