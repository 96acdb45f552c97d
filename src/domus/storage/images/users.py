"""Who has an image file open: processes, and loop devices of the kernel."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from domus.model.errors import InUse
from domus.programs import run
from domus.storage import loop

_PROC: Final = Path("/proc")


def check_not_written(path: Path, what: str) -> None:
    """Refuse what would go wrong while somebody can write the file.

    Args:
        path: an image's file.
        what: the image, as the error names it.

    Raises:
        InUse: a domain, or any program, has it open for writing.
    """
    for user, writes in users(path):
        if writes:
            raise InUse(f"{what} is in use: {user} writes it", hint="end the domain that has it, first")


def check_unused(path: Path, what: str) -> None:
    """Refuse what would go wrong while somebody has the file open at all.

    Raises:
        InUse: somebody has.
    """
    for user, _ in users(path):
        raise InUse(f"{what} is in use: {user} has it open", hint="end the domain that has it, first")


def users(path: Path) -> Iterator[tuple[str, bool]]:
    """Who has the file open, and whether for writing. Others' processes are seen by root only."""
    facts = path.stat()
    if stat.S_ISBLK(facts.st_mode):
        yield from _openers(path)
        return
    for device in loop.find(path):
        status = loop.status(device)
        yield device, status is None or not status.read_only
    for descriptor in _PROC.glob("[0-9]*/fd/*"):
        process = descriptor.parent.parent
        if int(process.name) == os.getpid():
            continue
        try:
            # Only names that can be this file are followed: a stat of each would cost a second.
            if not str(descriptor.readlink()).startswith("/"):
                continue
            there = descriptor.stat()
            if (there.st_dev, there.st_ino) == (facts.st_dev, facts.st_ino):
                yield f"{_name(process)} (process {process.name})", _writes(process, descriptor.name)
        except OSError:  # it has ended, or is another user's
            continue


def _openers(device: Path) -> Iterator[tuple[str, bool]]:
    """Whether a volume is open at all; who has it (a domain's back end, a mount) the kernel does not tell."""
    opened = run(["dmsetup", "info", "-c", "--noheadings", "-o", "open", device]).stdout.strip()
    if opened != "0":
        yield "a domain, a mount or a program", True


def _name(process: Path) -> str:
    return (process / "comm").read_text(errors="replace").strip()


def _writes(process: Path, descriptor: str) -> bool:
    for line in (process / "fdinfo" / descriptor).read_text().splitlines():
        if line.startswith("flags:"):
            return bool(int(line.split()[1], 8) & os.O_ACCMODE)
    return True
