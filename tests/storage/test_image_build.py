"""Building root file systems: what is refused before anything starts, and what the parts make."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import msgspec
import pytest

from domus.model.errors import BadInput, DomusError, NotFound
from domus.storage.images import partitions
from domus.storage.images.build import boot, disk, filesystem, system, template
from domus.storage.images.build.template import Template
from domus.storage.images.names import silent

MIB = 1 << 20
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpXs2nkoJpCb5fYPnyTVcoy4L6Ll6Vv5MC6sUqvyl9e me@here"


def test_a_template_file_has_the_names_of_the_options(tmp_path: Path) -> None:
    file = tmp_path / "web.toml"
    file.write_text(
        'suite = "bookworm"\nsize = "2G"\nfs = "xfs"\npackages = ["nginx", "git"]\nuser = "anna"\n'
    )
    assert template.from_file(file) == Template(
        suite="bookworm", size="2G", fs="xfs", packages=("nginx", "git"), user="anna"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('suite = "trixie"\nfs = "ntfs"\n', ":2: "),
        ('siez = "4G"\n', ":1: "),
        ("size = 4\n", ":1: "),
        ("size = \n", "web.toml: "),
        ('packages = "nginx"\n', ":1: "),
    ],
)
def test_a_wrong_template_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "web.toml"
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        template.from_file(file)
    assert said in caught.value.for_user()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "100M"},
        {"size": "1G", "swap": "1G"},
        {"suite": "../etc"},
        {"hostname": "a_b"},
        {"hostname": "x" * 64},
        {"user": "root"},
        {"user": "Anna"},
        {"packages": ("nginx; rm -rf /",)},
        {"packages": ("--option",)},
        {"kernel": "$(reboot)"},
        {"kernel": "none"},
        {"mirror": "not a mirror"},
        {"partition": True, "swap": "1G"},
        {"ssh_keys": ("/nonexistent/key.pub",)},
        {"password_file": "/nonexistent"},
        {"cloud_init": "/nonexistent"},
        {"release_files": "/nonexistent"},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_before_anything_starts(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises((BadInput, NotFound)):
        template.look_up(msgspec.structs.replace(Template(), **wrong), "web")
    assert list(tmp_path.iterdir()) == []


def test_a_private_key_never_gets_into_an_image(tmp_path: Path) -> None:
    file = tmp_path / "id_ed25519"
    file.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n")
    with pytest.raises(BadInput, match="a private key"):
        template.look_up(Template(ssh_keys=(str(file),)), "web")


def test_keys_are_taken_from_files_and_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "id.pub"
    file.write_text(f"# mine\n{KEY}\n")
    wanted = template.look_up(Template(ssh_keys=(str(file), KEY)), "Web_1")
    assert (wanted.keys, wanted.hostname, wanted.distribution) == ((KEY,), "web-1", "debian")


def test_grub_finds_its_core_where_the_sectors_say() -> None:
    made = bytes(range(256)) * 2 + bytes(3 * 512 - 100)
    code, core = boot.sectors(made, 2048)
    assert len(code) == 440
    assert struct.unpack_from("<Q", code, 0x5C) == (2048,)
    assert code[0x66:0x68] == b"\x90\x90"
    assert len(core) == 3 * 512
    assert struct.unpack_from("<QHH", core, 500) == (2049, 2, 0x820)


@pytest.mark.parametrize("fs", ["ext4", "xfs", "btrfs"])
def test_a_file_system_is_made_with_everything_in_it(tmp_path: Path, fs: str) -> None:
    folder, target = tmp_path / "root", tmp_path / "part"
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/tool").write_bytes(os.urandom(100_000))
    (folder / "usr/bin/tool").chmod(0o4755)
    (folder / "bin").symlink_to("usr/bin")
    (folder / "Főtanúsítvány.crt").write_text("x")
    uuid = disk.new_uuid()
    filesystem.make(fs, folder, target, 320 * MIB, uuid)
    found = partitions.layout(target)
    assert (found.table, found.last.content, target.stat().st_size) == ("", fs, 320 * MIB)
    check = {
        "ext4": ["e2fsck", "-f", "-n"],
        "xfs": ["xfs_repair", "-n", "-f"],
        "btrfs": ["btrfs", "check", "--check-data-csum"],
    }[fs]
    subprocess.run([*check, target], check=True, capture_output=True)
    asked: list[str | Path] = ["blkid", "-p", "-o", "value", "-s", "UUID", target]
    assert subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip() == uuid
    if fs == "ext4":
        subprocess.run(["debugfs", "-R", f"dump usr/bin/tool {tmp_path}/out", target], check=True)
        assert (tmp_path / "out").read_bytes() == (folder / "usr/bin/tool").read_bytes()


def test_xfs_says_what_it_cannot_take_in(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a file").touch()
    with pytest.raises(BadInput, match="blanks"):
        filesystem.make("xfs", tmp_path / "root", tmp_path / "part", 320 * MIB, disk.new_uuid())


def test_the_disk_has_its_boot_sector_its_swap_and_its_root_last(tmp_path: Path) -> None:
    size, swap = 256 * MIB, 32 * MIB
    part, core, target = tmp_path / "part", tmp_path / "core", tmp_path / "disk"
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("here")
    filesystem.make("ext4", tmp_path / "root", part, disk.root_bytes(size, swap), disk.new_uuid())
    core.write_bytes(b"\xeb\x63" + bytes(510) + b"c" * 2000)
    swap_uuid = disk.new_uuid()
    disk.assemble(target, size, part, core, swap, swap_uuid, silent)
    found = partitions.layout(target)
    assert [each.content for each in found.parts] == ["", "swap", "ext4"]
    assert target.read_bytes()[:2] == b"\xeb\x63"
    with target.open("rb") as file:
        file.seek(found.last.start_bytes)
        assert file.read(found.last.size_bytes) == part.read_bytes()
    subprocess.run(["sfdisk", "--verify", target], check=True, capture_output=True)


def test_files_laid_over_the_root_stay_in_it(tmp_path: Path) -> None:
    root, over, outside = tmp_path / "root", tmp_path / "over", tmp_path / "outside"
    for folder in (root / "usr/lib", over / "lib", over / "etc", outside):
        folder.mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc").symlink_to(outside)
    (over / "lib/it").write_text("x")
    (over / "etc/passwd").write_text("x")
    with pytest.raises(BadInput, match="out of the image"):
        system.lay_over(root, over)
    assert list(outside.iterdir()) == []


def test_a_file_of_the_root_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "etc").mkdir(parents=True)
    outside.write_text("as it was")
    (root / "etc/hosts").symlink_to(outside)
    system.put(root, "etc/hosts", "new\n")
    assert (outside.read_text(), (root / "etc/hosts").read_text()) == ("as it was", "new\n")


def test_an_unknown_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DomusError, match=r"mmdebstrap.* are not installed") as caught:
        template.look_up(Template(), "web")
    assert "sudo apt install mmdebstrap" in caught.value.hint
