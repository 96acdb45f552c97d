"""What two hosts say to each other, without Xen: disks by identity, CPUs, announcements."""

from __future__ import annotations

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from domus.config.loading import load_text
from domus.domains.migration import features
from domus.domains.migration.rounds import Rounds
from domus.network.announce import frames
from domus.storage import dom0_use


def test_only_features_that_the_other_host_lacks_are_in_the_way() -> None:
    assert features.missing((0b1011, 1), (0b0010, 0xFF)) == ["fpu", "pse"]
    assert features.missing((1, 0, 2), (1,)) == ["2:1"]
    assert features.missing((1,), (3, 7)) == []


def test_a_levelled_policy_leaves_out_what_the_other_host_lacks() -> None:
    host = (0xFFFFFFFF,) * 19
    other = tuple(word & ~(1 << 5) for word in host)
    lacking = [name for name in features.missing(host, other) if ":" not in name]
    assert {"msr", "vmx", "avx2", "mds-no"} <= set(lacking)
    policy = features.levelled(lacking)
    assert policy.startswith("host,msr=0,")
    config = load_text(f'name = "web"\nkernel = "/k"\ncpuid = "{policy}"\n').config
    left = features.missing(features.seen(host, config), other)
    assert left and all(":" in name for name in left), "only bits without a name can be left"
    assert features.levelled(["avx2", "2:1"]) == ""


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


def _pages(*numbers: int) -> bytes:
    body = struct.pack("<II", len(numbers), 0) + b"".join(
        struct.pack("<Q", 1 << 60 | each) for each in numbers
    )
    body += bytes(4096 * len(numbers))
    return struct.pack("<II", 1, len(body)) + body


@given(cut=st.integers(1, 9000))
def test_rounds_are_counted_however_the_stream_is_cut(cut: int) -> None:
    times = iter((0.0, 4.0, 6.0))
    rounds, told = Rounds(now=lambda: next(times)), list[float | None]()
    rounds.on_round = lambda: told.append(rounds.expected_s)
    other, emulator = (struct.pack("<II", kind, 5) + bytes(8) for kind in (0x9, 3))
    checkpoint = struct.pack("<II", 14, 0) + emulator + struct.pack("<II", 4, 0)
    stream = bytes(16) + struct.pack("<II", 1, 0) + bytes(40)
    stream += other + _pages(0, 1) + _pages(2, 5) + _pages(1, 3, 4) + other + checkpoint + _pages(2)
    stream += struct.pack("<II", 0, 0) + struct.pack("<II", 2, 3) + bytes(8) + struct.pack("<II", 0, 0)
    for place in range(0, len(stream), cut):
        rounds.feed(memoryview(stream[place : place + cut]))
    assert (rounds.number, rounds.checkpoints) == (3, 1)
    assert rounds.changed == 3 * 4096 / 4.0
    assert told == [None, None, 1.0], "half of what the second one took, as that took half of the first one"
