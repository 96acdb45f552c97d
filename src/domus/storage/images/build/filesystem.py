"""File systems that are made full: from a folder to a file, nothing is mounted.

GRUB must be able to read them, also one that is a year or two old: what newer file systems have by default
and it does not know is left out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from domus.model.errors import BadInput
from domus.programs import run


def make(kind: str, folder: Path, target: Path, size: int, uuid: str) -> None:
    """Make file `target` a file system of `size` bytes with what is in `folder`.

    Raises:
        ProgramFailed: the program that makes it did, as when the files do not fit.
        BadInput: XFS cannot take a file in, for its name.
    """
    with target.open("xb") as file:
        os.ftruncate(file.fileno(), size)
    if kind == "ext4":
        features = "^metadata_csum_seed,^orphan_file"
        run(
            [
                "mke2fs",
                "-q",
                "-F",
                "-t",
                "ext4",
                "-O",
                features,
                "-U",
                uuid,
                "-L",
                "root",
                "-d",
                folder,
                target,
            ]
        )
    elif kind == "btrfs":
        run(["mkfs.btrfs", "-q", "-f", "-U", uuid, "-L", "root", "--rootdir", folder, target])
    else:
        listing = target.with_name("protofile")
        with listing.open("x") as file:
            file.writelines(f"{line}\n" for line in _prototype(folder))
        run(
            [
                "mkfs.xfs",
                "-q",
                "-f",
                "-m",
                f"uuid={uuid}",
                "-L",
                "root",
                *_xfs_options(),
                "-p",
                listing,
                target,
            ]
        )
        listing.unlink()


def _xfs_options() -> list[str]:
    # xfsprogs 6.4 and later have large extent counters by default, which GRUB 2.12 cannot read.
    usage = run(["mkfs.xfs"], check=False)
    return ["-i", "nrext64=0"] if "nrext64" in usage.stdout + usage.stderr else []


def _prototype(folder: Path) -> Iterator[str]:
    """The folder in the language of mkfs.xfs(8): names cannot have blanks, modes no sticky bit (which
    systemd-tmpfiles gives to /tmp and /var/tmp at boot)."""
    yield "/boot-sector-is-none"
    yield "0 0"
    yield _entry(folder.lstat())
    yield from _members(folder)
    yield "$"


def _members(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        facts = entry.stat(follow_symlinks=False)
        if any(letter.isspace() for letter in entry.name):
            raise BadInput(
                f"XFS cannot take in {entry.path!r}: blanks in a name", hint="--fs ext4 or btrfs can"
            )
        line = f"{entry.name} {_entry(facts)}"
        kind = stat.S_IFMT(facts.st_mode)
        if kind == stat.S_IFDIR:
            yield line
            yield from _members(Path(entry.path))
            yield "$"
        elif kind == stat.S_IFLNK:
            yield f"{line} {Path(entry.path).readlink()}"
        elif kind == stat.S_IFREG:
            yield f"{line} {entry.path}"
        elif kind in (stat.S_IFBLK, stat.S_IFCHR):
            yield f"{line} {os.major(facts.st_rdev)} {os.minor(facts.st_rdev)}"
        elif kind == stat.S_IFIFO:
            yield line


def _entry(facts: os.stat_result) -> str:
    kinds = {
        stat.S_IFREG: "-", stat.S_IFDIR: "d", stat.S_IFLNK: "l",
        stat.S_IFBLK: "b", stat.S_IFCHR: "c", stat.S_IFIFO: "p",
    }  # fmt: skip
    mode = facts.st_mode
    kind = kinds.get(stat.S_IFMT(mode), "-")
    user = "u" if mode & stat.S_ISUID else "-"
    group = "g" if mode & stat.S_ISGID else "-"
    return f"{kind}{user}{group}{mode & 0o777:03o} {facts.st_uid} {facts.st_gid}"
