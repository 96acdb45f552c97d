"""Disks that are copied with a domain, without Xen: whatever was there, both are the same at the end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domus.domains.frames import Packer, Unpacker
from domus.domains.migration import copying
from domus.domains.migration.copying import IncomingDisks, Outgoing, OutgoingDisks
from domus.domains.savestream import write_all
from domus.model.config import Disk
from domus.model.errors import AlreadyExists, Conflict, HostProblem, InUse, NoCapacity, NotFound
from domus.model.migration import CopiedDisk, Copying, DiskIdentity
from domus.storage import chunks
from domus.storage.chunks import CHUNK

#: what chunks of a disk hold: few kinds, so that many are the same
CONTENTS = st.lists(st.sampled_from((b"\0", b"a", b"b")), min_size=1, max_size=6)


def image(path: Path, contents: list[bytes], tail: int = 512) -> Path:
    with path.open("wb") as file:
        for content in contents[:-1]:
            if content == b"\0":
                file.seek(CHUNK, 1)
            else:
                file.write(content * CHUNK)
        file.write(contents[-1] * tail)
    return path


def copied(source: Path, target: Path, **fields: bool) -> CopiedDisk:
    return CopiedDisk(place=0, vdev="xvda", target=str(target), size_bytes=source.stat().st_size, **fields)


def known_of(disk: CopiedDisk) -> bytes:
    if not disk.base:
        return copying.first_known(disk)
    found = b""
    while piece := copying.digests(disk, len(found) // chunks.DIGEST):
        found += piece
    return found


def carried(outgoing: OutgoingDisks, incoming: IncomingDisks, memory: bytes = b"libxl's stream") -> bytes:
    """Have disks travel in frames with a stream of libxl's; returns what libxl would read."""
    packer = Packer(alive=False)
    received = b""
    unpacker = Unpacker(disks=incoming.take)

    def libxl_writes() -> None:
        write_all(packer.descriptor, memory)
        packer.end()

    writing = threading.Thread(target=libxl_writes)
    import os

    for frame in packer.frames(outgoing, writing.start):
        before = unpacker.given
        unpacker.feed(frame)
        if unpacker.given > before:
            received += os.read(unpacker.descriptor, unpacker.given - before)
    writing.join()
    assert unpacker.whole
    unpacker.close()
    packer.close()
    return received


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    here=CONTENTS, there=CONTENTS, later=st.dictionaries(st.integers(0, 5), st.sampled_from((b"\0", b"c")))
)
def test_a_disk_is_the_same_there_whatever_is_written_meanwhile(
    tmp_path: Path, here: list[bytes], there: list[bytes], later: dict[int, bytes]
) -> None:
    source = image(tmp_path / "here", here)
    target = image(tmp_path / "there", (there * len(here))[: len(here)])
    disk = copied(source, target, base=True)
    outgoing = Outgoing(disk, str(source), None, known_of(disk))
    disks, incoming = OutgoingDisks([outgoing], lambda told, done: None), IncomingDisks([disk])

    class Written(OutgoingDisks):
        def watch(self) -> None:
            with source.open("r+b") as file:
                for number, content in later.items():
                    if number < len(here) - 1:
                        file.seek(number * CHUNK)
                        file.write(content * 512)

    written = Written([outgoing], lambda told, done: None)
    assert carried(written, incoming) == b"libxl's stream"
    disks.close()
    incoming.close()
    assert source.read_bytes() == target.read_bytes()


def test_only_what_differs_is_sent(tmp_path: Path) -> None:
    source = image(tmp_path / "here", [b"a", b"b", b"\0", b"a"])
    target = image(tmp_path / "there", [b"a", b"c", b"\0", b"a"])
    disk = copied(source, target, base=True)
    disks = OutgoingDisks([Outgoing(disk, str(source), None, known_of(disk))], lambda told, done: None)
    carried(disks, IncomingDisks([disk]))
    assert disks.sent_bytes == CHUNK
    fresh = tmp_path / "fresh"
    fresh.touch()
    with fresh.open("r+b") as file:
        file.truncate(source.stat().st_size)
    disk = copied(source, fresh, fresh=True)
    disks = OutgoingDisks([Outgoing(disk, str(source), None, known_of(disk))], lambda told, done: None)
    carried(disks, IncomingDisks([disk]))
    assert disks.sent_bytes == 2 * CHUNK + 512, "zeros are there already"
    assert fresh.read_bytes() == source.read_bytes()


def test_a_file_that_grows_ends_where_it_ends(tmp_path: Path) -> None:
    source = image(tmp_path / "here", [b"a", b"b"], tail=100)
    target = image(tmp_path / "there", [b"c", b"c", b"c"])
    disk = replace(copied(source, target, fresh=True), grows=True)

    class Growing(OutgoingDisks):
        def watch(self) -> None:
            with source.open("ab") as file:
                file.write(b"more")

    disks = Growing([Outgoing(disk, str(source), None, known_of(disk))], lambda told, done: None)
    carried(disks, IncomingDisks([disk]))
    assert target.read_bytes() == source.read_bytes()


def test_nothing_is_written_outside_a_disk_or_where_none_is_expected(tmp_path: Path) -> None:
    from domus.domains.frames import DiskPart

    target = image(tmp_path / "there", [b"a"])
    incoming = IncomingDisks([copied(target, target)])
    with pytest.raises(HostProblem, match="behind its end"):
        incoming.take(DiskPart(0, 512, b"x"))
    with pytest.raises(HostProblem, match="no disk 1"):
        incoming.take(DiskPart(1, 0, b"x"))
    with pytest.raises(InUse, match="is locked"):
        IncomingDisks([copied(target, target)])
    incoming.close()


def test_what_was_made_goes_and_what_is_somebody_elses_stays(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    disk = CopiedDisk(place=0, vdev="xvda", target=str(path), size_bytes=4096, fresh=True)
    (file,) = copying.planned([disk], "0123456789abcdef")
    copying.take_back([file])  # killed before it was made
    made = copying.make(file, disk, Disk(vdev="xvda", target=str(path)), DiskIdentity(vdev="xvda"))
    path.write_text("somebody else's")
    with pytest.raises(AlreadyExists):
        copying.put_in_place(made)
    copying.take_back([made])
    assert [each.name for each in tmp_path.iterdir()] == ["disk.img"]
    path.unlink()
    made = copying.make(file, disk, Disk(vdev="xvda", target=str(path)), DiskIdentity(vdev="xvda"))
    copying.put_in_place(made)
    assert path.stat().st_size == 4096
    assert path.stat().st_mode & 0o777 == 0o600
    copying.take_back([made])
    copying.take_back([made])
    assert not list(tmp_path.iterdir())


def test_where_a_disk_cannot_be_copied_to_is_told(tmp_path: Path) -> None:
    here = image(tmp_path / "there", [b"a"])
    wanted = DiskIdentity(vdev="xvda", size_bytes=512)

    def place(target: Path, how: Copying = Copying.WHOLE, known: DiskIdentity = wanted) -> CopiedDisk:
        return copying.place_for(0, Disk(vdev="xvda", target=str(target)), known, how)

    with pytest.raises(AlreadyExists, match="exists here already"):
        place(here)
    assert place(here, Copying.INCREMENTAL).base
    with pytest.raises(Conflict, match="has 512 bytes, xvda has 1024"):
        place(here, Copying.INCREMENTAL, replace(wanted, size_bytes=1024))
    with pytest.raises(NotFound, match="no directory"):
        place(tmp_path / "nowhere/disk.img")
    with pytest.raises(NotFound, match="there is no /dev"):
        place(Path("/dev/no-such-volume"))
    with pytest.raises(NoCapacity, match="MiB are needed"):
        place(tmp_path / "new", known=replace(wanted, data_bytes=1 << 60))
    with pytest.raises(Conflict, match="stands on /base"):
        place(tmp_path / "new", known=replace(wanted, below=("/base",)))
    assert place(tmp_path / "new").fresh


def test_another_base_is_found(tmp_path: Path) -> None:
    base = image(tmp_path / "base", [b"a", b"b"])
    disk = replace(copied(base, base), below=True)
    known = known_of(replace(disk, base=True))
    copying.check_base(disk, known, lambda done: None)
    image(base, [b"a", b"c"])
    with pytest.raises(Conflict, match=f"at byte {CHUNK}"):
        copying.check_base(disk, known, lambda done: None)
