"""What two hosts say to each other, without Xen: disks by identity, CPUs, announcements."""

from __future__ import annotations

from pathlib import Path

from domus.domains.migration.checks import missing_features
from domus.network.announce import frames
from domus.storage import dom0_use


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
