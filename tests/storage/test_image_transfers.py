"""Images that come piece by piece: whole or not there, gone on with after a kill, sparse as they were."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.model.errors import AlreadyExists, BadInput, Conflict, InUse, NoCapacity, NotFound, WrongState
from domus.model.images import ImageFormat
from domus.model.transfers import PIECE_BYTES, ZEROS, ImageOffer, Incoming, digest, pieces_of, whole
from domus.storage.images import cloning, converting, copying, leaving
from domus.storage.images.arriving import INCOMING, Arriving
from domus.storage.images.store import DirectoryStore

#: two pieces and a bit, the middle one a hole, the last one cut off
SIZE = 2 * PIECE_BYTES + 12345


@pytest.fixture
def source(tmp_path: Path) -> DirectoryStore:
    store = DirectoryStore(tmp_path / "source")
    converting.create(store, "web", 1 << 30, ImageFormat.RAW)
    with store.find("web").path.open("r+b") as file:
        file.truncate(SIZE)
        file.write(os.urandom(100_000))
        file.seek(2 * PIECE_BYTES)
        file.write(b"the end" * 1000)
    return store


@pytest.fixture
def target(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "target")


def offer(source: DirectoryStore, name: str = "web") -> ImageOffer:
    there = leaving.layout(source.find(name))
    return ImageOffer(
        name=name, format=there.format, file_bytes=there.file_bytes, data_bytes=there.data_bytes
    )


def pieces(source: DirectoryStore, incoming: Incoming, name: str = "web") -> Iterator[tuple[int, bytes, str]]:
    """What a sender sends."""
    there = leaving.layout(source.find(name))
    for number in sorted({*there.pieces, *incoming.pieces}):
        piece = leaving.piece(source.find(name), number, there.version)
        if incoming.pieces.get(number, ZEROS) != digest(piece):
            yield number, piece if digest(piece) else b"", digest(piece)


def total(source: DirectoryStore, name: str = "web") -> str:
    content = source.find(name).path.read_bytes()
    parts = [content[begin : begin + PIECE_BYTES] for begin in range(0, len(content), PIECE_BYTES)]
    return whole([digest(each) for each in parts])


def left(store: DirectoryStore) -> list[str]:
    return [path.name for path in store.directory.glob(f"{INCOMING}*")]


def test_an_image_arrives_as_it_was_with_its_holes(source: DirectoryStore, target: DirectoryStore) -> None:
    arriving, incoming = Arriving.expect(target, offer(source))
    sent = list(pieces(source, incoming))
    assert [number for number, _, _ in sent] == [0, 2], "the hole is not sent"
    for each in sent:
        arriving.take(*each)
    with pytest.raises(NotFound):
        target.find("web")
    entry = arriving.finish(total(source))
    assert entry.path.read_bytes() == source.find("web").path.read_bytes()
    assert copying.data_bytes(entry.path) < 1 << 20
    assert entry.path.stat().st_mode & 0o777 == 0o600
    assert left(target) == []


def test_what_was_broken_off_is_gone_on_with_and_the_old_transfer_is_over(
    source: DirectoryStore, target: DirectoryStore
) -> None:
    first, incoming = Arriving.expect(target, offer(source))
    number, piece, sha256 = next(pieces(source, incoming))
    first.take(number, piece, sha256)
    second, incoming = Arriving.expect(target, offer(source))
    assert incoming.pieces == {number: sha256}
    with pytest.raises(NotFound, match="this transfer of an image is over"):
        first.take(number, piece, sha256)
    assert [number for number, _, _ in pieces(source, incoming)] == [2]
    for each in pieces(source, incoming):
        second.take(*each)
    assert second.finish(total(source)).path.read_bytes() == source.find("web").path.read_bytes()


def test_what_changed_since_is_sent_again_and_what_is_zeros_now_becomes_zeros(
    source: DirectoryStore, target: DirectoryStore
) -> None:
    first, incoming = Arriving.expect(target, offer(source))
    for each in pieces(source, incoming):
        first.take(*each)
    with source.find("web").path.open("r+b") as file:
        file.write(bytes(100_000))
        file.seek(PIECE_BYTES + 5)
        file.write(b"new")
    second, incoming = Arriving.expect(target, offer(source))
    sent = list(pieces(source, incoming))
    assert [(number, sha256 == ZEROS) for number, _, sha256 in sent] == [(0, True), (1, False)]
    for each in sent:
        second.take(*each)
    assert second.finish(total(source)).path.read_bytes() == source.find("web").path.read_bytes()


def test_a_line_that_was_cut_off_by_a_power_cut_counts_for_nothing(
    source: DirectoryStore, target: DirectoryStore
) -> None:
    arriving, incoming = Arriving.expect(target, offer(source))
    for each in pieces(source, incoming):
        arriving.take(*each)
    (folder,) = target.directory.glob(f"{INCOMING}*")
    lines = (folder / "pieces").read_text()
    (folder / "pieces").write_text(lines[:-10])
    _, incoming = Arriving.expect(target, offer(source))
    assert list(incoming.pieces) == [0]


def test_what_is_not_what_was_sent_becomes_no_image(source: DirectoryStore, target: DirectoryStore) -> None:
    arriving, incoming = Arriving.expect(target, offer(source))
    number, piece, sha256 = next(pieces(source, incoming))
    with pytest.raises(Conflict, match="damaged on its way"):
        arriving.take(number, piece[:-1] + b"x", sha256)
    with pytest.raises(Conflict, match="damaged on its way"):
        arriving.take(number, piece[:-1], digest(piece[:-1]))
    with pytest.raises(BadInput, match="no piece 3"):
        arriving.take(3, piece, sha256)
    arriving.take(number, piece, sha256)
    with pytest.raises(Conflict, match="not what was sent"):
        arriving.finish(total(source))
    assert target.entries() == []
    arriving.drop()
    arriving.drop()
    assert left(target) == []


def test_names_formats_and_room_are_looked_at_before_anything_comes(
    source: DirectoryStore, target: DirectoryStore
) -> None:
    with pytest.raises(BadInput, match="invalid image name"):
        Arriving.expect(target, ImageOffer(name="../x", format=ImageFormat.RAW, file_bytes=4096))
    with pytest.raises(BadInput, match="no 0 bytes"):
        Arriving.expect(target, ImageOffer(name="x", format=ImageFormat.RAW, file_bytes=0))
    with pytest.raises(NoCapacity):
        Arriving.expect(
            target, ImageOffer(name="x", format=ImageFormat.RAW, file_bytes=1 << 40, data_bytes=1 << 49)
        )
    with pytest.raises(AlreadyExists):
        Arriving.expect(source, offer(source))
    with pytest.raises(NotFound, match="is over"):
        Arriving(target, "../../etc").take(0, b"", ZEROS)
    # What came of another format, or size, is of no use.
    first, incoming = Arriving.expect(target, offer(source))
    first.take(*next(pieces(source, incoming)))
    _, incoming = Arriving.expect(target, ImageOffer(name="web", format=ImageFormat.QCOW2, file_bytes=SIZE))
    assert incoming.pieces == {}
    assert len([each for each in left(target) if each.startswith(f"{INCOMING}web.")]) == 1


def test_images_whose_names_begin_alike_are_kept_apart(
    source: DirectoryStore, target: DirectoryStore
) -> None:
    Arriving.expect(target, ImageOffer(name="web", format=ImageFormat.RAW, file_bytes=5))
    Arriving.expect(target, ImageOffer(name="web.old", format=ImageFormat.RAW, file_bytes=5))
    Arriving.expect(target, ImageOffer(name="web", format=ImageFormat.RAW, file_bytes=5))
    assert len(left(target)) == 2


def test_what_nobody_goes_on_with_is_removed_after_a_week(
    source: DirectoryStore, target: DirectoryStore
) -> None:
    Arriving.expect(target, offer(source))
    (folder,) = target.directory.glob(f"{INCOMING}*")
    long_ago = time.time() - 8 * 86400
    for path in (*folder.iterdir(), folder):
        os.utime(path, (long_ago, long_ago))
    Arriving.expect(target, ImageOffer(name="other", format=ImageFormat.RAW, file_bytes=5))
    (name,) = left(target)
    assert name.startswith(f"{INCOMING}other.")


def test_an_image_that_is_written_or_shares_data_is_not_read(source: DirectoryStore) -> None:
    there = leaving.layout(source.find("web"))
    cloning.clone(source, "web", "child")
    if source.find("child").format is not ImageFormat.RAW:  # where the file system shares no blocks
        with pytest.raises(WrongState, match="shares the data of another one"):
            leaving.layout(source.find("child"))
    source.remove("child")
    with source.find("web").path.open("r+b") as file:
        file.write(b"changed")
    with pytest.raises(Conflict, match="changed while it is read"):
        leaving.piece(source.find("web"), 0, there.version)
    pid = os.fork()
    if not pid:
        with source.find("web").path.open("r+b"):
            time.sleep(60)
        os._exit(0)
    try:
        time.sleep(0.5)
        with pytest.raises(InUse, match="writes it"):
            leaving.layout(source.find("web"))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_a_clone_is_sent_with_the_data_that_it_shares(source: DirectoryStore) -> None:
    entry = source.find("web")
    child = source.directory / "child.qcow2"
    with source.working() as work, source.changing():
        source.based_on(entry, work / "image")
        source.take_in(work / "image", "child", ImageFormat.QCOW2)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 4M 64k", child], check=True)
    wanted = bytearray(entry.path.read_bytes())
    wanted[PIECE_BYTES : PIECE_BYTES + (64 << 10)] = b"\7" * (64 << 10)
    with leaving.with_all_its_data(source, source.find("child")) as whole_one:
        assert whole_one.format is ImageFormat.RAW
        there = leaving.layout(whole_one)
        assert there.name == "child"
        got = b"".join(leaving.piece(whole_one, number, there.version) for number in range(3))
    assert got[:SIZE] == wanted
    assert not got[SIZE:].strip(b"\0"), "a disk has whole sectors"
    assert not list(source.directory.glob(".work-*"))
    with leaving.with_all_its_data(source, entry) as as_it_is:
        assert as_it_is == entry


def test_a_file_has_as_many_pieces_as_it_takes() -> None:
    assert [pieces_of(size) for size in (1, PIECE_BYTES, PIECE_BYTES + 1)] == [1, 1, 2]
    assert digest(bytes(1000)) == ZEROS != digest(b"\0x")
