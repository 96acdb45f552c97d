"""What two hosts say to each other, without Xen: frames, disks by identity, CPUs, announcements."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from domus.domains.migration.checks import missing_features
from domus.domains.migration.frames import PIECE, Packer, Unpacker
from domus.model.errors import BadInput, Cancelled
from domus.network.announce import frames
from domus.storage import dom0_use


def packed(content: bytes, *, whole: bool = True) -> list[bytes]:
    """The frames of a stream of libxl's."""
    packer = Packer()

    def write() -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(packer.descriptor, left) :]
        (packer.end if whole else packer.abandon)()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return list(packer.frames())
    finally:
        writer.join()


def unpacked(data: bytes, cut: int) -> tuple[bytes, bool]:
    """What libxl reads of frames that arrive in pieces of `cut` bytes; and whether the end has come."""
    unpacker = Unpacker()
    read: list[bytes] = []

    def reading() -> None:
        while piece := os.read(unpacker.descriptor, PIECE):
            read.append(piece)

    reader = threading.Thread(target=reading)
    reader.start()
    try:
        for place in range(0, len(data), cut):
            unpacker.feed(data[place : place + cut])
    finally:
        unpacker.end()
        reader.join()
        unpacker.close()
    return b"".join(read), unpacker.whole


@pytest.mark.parametrize("cut", [7, 4096, 1 << 20])
def test_a_stream_arrives_as_it_was_however_it_is_cut(cut: int) -> None:
    content = os.urandom(70_000) + bytes(3 * PIECE) + os.urandom(5)
    sent = b"".join(packed(content))
    assert len(sent) < 80_000, "zeros cost next to nothing"
    assert unpacked(sent, cut) == (content, True)


def test_a_stream_that_was_abandoned_never_looks_whole() -> None:
    with pytest.raises(Cancelled):
        packed(b"half", whole=False)
    pieces = packed(os.urandom(1000))
    assert unpacked(b"".join(pieces[:-1]), 100)[1] is False


def test_a_damaged_or_foreign_stream_is_refused() -> None:
    pieces = packed(bytes(PIECE))
    damaged = bytearray(pieces[0])
    damaged[-3] ^= 1
    for data in (bytes(damaged), b"GET / HTTP/1.1\r\n", b"p\xff\xff\xff\xff", pieces[-1]):
        with pytest.raises(BadInput):
            unpacked(data, 1 << 20)
    with pytest.raises(BadInput):  # nothing follows the end
        unpacked(b"".join(pieces) + pieces[0], 1 << 20)


def test_a_piece_that_unpacks_to_more_than_a_piece_is_refused() -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(bytes(64 * PIECE))
    with pytest.raises(BadInput, match="too large"):
        unpacked(b"z" + len(bomb).to_bytes(4, "big") + bomb, 1 << 20)


def test_only_features_that_the_other_host_lacks_are_in_the_way() -> None:
    assert missing_features((0b1011, 1), (0b0010, 0xFF)) == ["0:0", "0:3"]
    assert missing_features((1, 0, 2), (1,)) == ["2:1"]
    assert missing_features((1,), (3, 7)) == []


def test_switches_learn_from_a_frame_of_the_guests_own_address() -> None:
    reverse, ipv4, ipv6 = frames("00:16:3e:01:02:03", ("10.0.0.9/24", "2001:db8::9"))
    mac = bytes.fromhex("00163e010203")
    assert all(frame[6:12] == mac and len(frame) >= 60 for frame in (reverse, ipv4, ipv6))
    assert reverse[12:14] == b"\x80\x35"
    assert ipv4[:14] == b"\xff" * 6 + mac + b"\x08\x06"
    assert ipv4[22:42] == mac + bytes([10, 0, 0, 9]) + bytes(6) + bytes([10, 0, 0, 9])
    assert ipv6[:6] == bytes.fromhex("333300000001")
    pseudo = ipv6[22:54] + (32).to_bytes(4, "big") + (58).to_bytes(4, "big") + ipv6[54:86]
    total = sum(int.from_bytes(pseudo[place : place + 2], "big") for place in range(0, len(pseudo), 2))
    assert total % 0xFFFF == 0, "the checksum of RFC 1071 makes the sum all ones"


def test_a_mount_says_what_is_mounted_and_from_where() -> None:
    text = "42 1 0:39 /images /srv/im\\040ages rw,relatime shared:1 - nfs4 filer:/export rw,vers=4.2\n"
    (mount,) = dom0_use.parse_mounts(text)
    assert (mount.kind, mount.source, mount.root, mount.point) == (
        "nfs4",
        "filer:/export",
        "/images",
        "/srv/im ages",
    )


def test_a_local_file_says_why_no_other_host_can_have_it(tmp_path: Path) -> None:
    from domus.storage import identity, targets

    image = tmp_path / "disk.img"
    image.write_bytes(bytes(4096))
    found = identity.of("xvda", targets.inspect(str(image), writable=True))
    assert found.marks == ()
    assert "which only this host has" in found.local
    assert identity.find(found, writable=True) is None
