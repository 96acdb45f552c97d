"""A directory of images.

`NAME.raw`, `NAME.qcow2` or `NAME.vhd` is an image, `NAME@SNAPSHOT.raw` a snapshot of it, `.base-HEX.raw` a
second name (a hard link) of the file whose data a qcow2 image shares: so each clone holds what it is based
on, whatever becomes of the image that it was made from. A file with such a second name must not be written
any more: it gets mode 0400, which whoever attaches disks respects.

Everything new is made in a `.work-HEX` folder, synced, and gets its name in one step: killed anywhere, an
image is whole or as it was. The folder is locked by whoever works in it; the next change of the store removes
those that nobody has locked, and second names that no image needs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.model.errors import AlreadyExists, Busy, HostProblem, InUse
from domus.model.images import Image, ImageFormat, Snapshot
from domus.programs import run
from domus.storage.images import copying, qemu_img, users
from domus.storage.images.base import Entry, Store

_FILE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._+-]*)(?:@(?P<snapshot>[A-Za-z0-9][A-Za-z0-9._+-]*))?"
    r"\.(?P<format>raw|qcow2|vhd)"
)
_BASE: Final = ".base-"
_WORK: Final = ".work-"

WRITABLE_MODE: Final = 0o600
FROZEN_MODE: Final = 0o400


class DirectoryStore(Store):
    """The images in `directory`, which is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()

    def __str__(self) -> str:
        return str(self.directory)

    # Looking

    def entries(self) -> list[Entry]:
        """All images and snapshots, sorted; only names are looked at."""
        try:
            listed = sorted(self.directory.iterdir())
        except FileNotFoundError:
            return []
        matches = ((path, _FILE.fullmatch(path.name)) for path in listed)
        return [
            Entry(match["name"], match["snapshot"] or "", path, ImageFormat(match["format"]))
            for path, match in matches
            if match
        ]

    def images(self) -> list[Image]:
        """All images with what is known of them."""
        entries = self.entries()
        facts = {entry: self._facts(entry) for entry in entries}
        inodes = {entry.inode: entry for entry in entries}
        found = []
        for entry in entries:
            if entry.snapshot:
                continue
            base = inodes.get(facts[entry].base_inode)
            snapshots = [each for each in entries if each.name == entry.name and each.snapshot]
            found.append(
                Image(
                    name=entry.name,
                    store=str(self),
                    path=str(entry.path),
                    format=entry.format,
                    size_bytes=facts[entry].size_bytes,
                    used_bytes=facts[entry].used_bytes,
                    changed_s=facts[entry].changed_s,
                    snapshots=tuple(
                        Snapshot(
                            name=each.snapshot,
                            path=str(each.path),
                            created_s=each.path.stat().st_ctime,
                            used_bytes=facts[each].used_bytes,
                        )
                        for each in sorted(snapshots, key=lambda each: facts[each].changed_s)
                    ),
                    clones=tuple(each.name for each in entries if facts[each].base_inode == entry.inode),
                    base=base.reference if base is not None else "",
                )
            )
        return found

    def clones_of(self, entry: Entry) -> list[str]:
        """Other images that share this one's data."""
        inode = entry.inode
        if entry.path.stat().st_nlink == 1:
            return []
        others = (each for each in self.entries() if each.name != entry.name)
        return [each.reference for each in others if self._facts(each).base_inode == inode]

    # Changing

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While the block lasts, nobody else gives or takes names here; leftovers are removed first."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sweep()
            yield

    @contextmanager
    def working(self) -> Iterator[Path]:
        """A folder for what is being made, gone at the end of the block. Not within `changing`."""
        with self.changing():
            folder = self.directory / f"{_WORK}{copying.token()}"
            folder.mkdir(mode=0o700)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            remove_tree(folder)
            os.close(descriptor)

    @contextmanager
    def claimed(self, reference: str, *, alone: bool = True) -> Iterator[Entry]:
        """Hold an image while the block lasts.

        Args:
            alone: it will be replaced; else it is only read, and others may read it as well.

        Raises:
            Busy: another command works on it.
            NotFound: see `find`.
        """
        entry = self.find(reference)
        with entry.path.open("rb") as file:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"another command works on image {entry.reference}") from None
            if self.find(reference) != entry or entry.inode != os.fstat(file.fileno()).st_ino:
                raise Busy(f"image {entry.reference} was just replaced", hint="try again")
            yield entry

    def take_in(self, fresh: Path, name: str, form: ImageFormat, snapshot: str = "") -> Entry:
        """Give a finished file its name, for good.

        Raises:
            AlreadyExists: the name was taken meanwhile.
        """
        self.check_free(name, snapshot)
        named = f"{name}@{snapshot}" if snapshot else name
        path = self.directory / f"{named}.{form.value}"
        fresh.chmod(FROZEN_MODE if snapshot else WRITABLE_MODE)
        copying.sync(fresh)
        try:
            path.hardlink_to(fresh)  # unlike a rename, it replaces nothing
        except FileExistsError:
            raise AlreadyExists(f"{self} has {named!r} already", hint="xm image list") from None
        fresh.unlink()
        copying.sync(self.directory)
        return Entry(name, snapshot, path, form)

    def replace(self, entry: Entry, fresh: Path) -> None:
        """Let a finished file be the image from now on. Not within `changing`."""
        with self.changing():
            self.put_over(entry, fresh)
            self._collect()

    def lengthen(self, entry: Entry, size: int) -> bool:
        """See Store."""
        if entry.format is not ImageFormat.RAW or entry.path.stat().st_nlink != 1:
            return False
        os.truncate(entry.path, size)  # the kernel does that whole or not at all
        copying.sync(entry.path)
        return True

    def put_over(self, entry: Entry, fresh: Path) -> None:
        """As `replace`, within `changing`."""
        fresh.chmod(WRITABLE_MODE)
        copying.sync(fresh)
        fresh.replace(entry.path)
        copying.sync(self.directory)

    def based_on(self, entry: Entry, fresh: Path) -> None:
        """Make `fresh` a qcow2 file that shares the data of `entry`. Within `changing`, until it is named."""
        base = f"{_BASE}{copying.token()}.{entry.format.value}"
        entry.path.chmod(FROZEN_MODE)
        size = self._facts(entry).size_bytes
        (self.directory / base).hardlink_to(entry.path)
        qemu_img.create_overlay(fresh, base, entry.format.value, size)

    def remove(self, reference: str, *, with_snapshots: bool = False) -> list[str]:
        """Remove an image, or a snapshot; returns what was removed.

        Raises:
            InUse: somebody has it open, clones share its data, or it has snapshots.
            NotFound: see `find`.
        """
        with self.claimed(reference) as entry, self.working(), self.changing():
            users.check_unused(entry.path, f"image {entry.reference}")
            mine = self.going_with(entry, with_snapshots)
            for each in mine:
                if clones := self.clones_of(each):
                    raise InUse(
                        f"image {each.reference} cannot be removed: {', '.join(clones)} share its data",
                        hint="remove them first; 'xm image convert NAME' gives an image its own",
                    )
            for each in mine:
                each.path.unlink()
            copying.sync(self.directory)
            self._collect()
        return [each.reference for each in mine]

    def _sweep(self) -> None:
        """Remove what interrupted commands left: each has had a folder."""
        for folder in self.directory.glob(f"{_WORK}*"):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._collect()
                remove_tree(folder)
            except BlockingIOError:
                continue
            except OSError as error:
                # What a killed build had running ends a moment after it, and may still write.
                if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
                    raise
            finally:
                os.close(descriptor)

    def _collect(self) -> None:
        """Remove second names that nobody needs, and let images be written again that have none."""
        bases = {path.name: path for path in self.directory.glob(f"{_BASE}*")}
        wanted = [entry.path for entry in self.entries()] if bases else []
        while wanted:
            path = wanted.pop()
            if path.suffix == ".qcow2" and (base := bases.pop(_base_name(path), None)):
                wanted.append(base)
        for path in bases.values():
            path.unlink()
        for entry in self.entries():
            facts = entry.path.stat()
            if not entry.snapshot and facts.st_nlink == 1 and facts.st_mode & 0o777 == FROZEN_MODE:
                entry.path.chmod(WRITABLE_MODE)

    def _facts(self, entry: Entry) -> _Facts:
        facts = entry.path.stat()
        size, base = facts.st_size, 0
        if entry.format is not ImageFormat.RAW:
            known = qemu_img.info(entry.path, qemu_img.DRIVERS[entry.format.value])
            size = known.virtual_size
            if known.backing_filename:
                try:
                    base = (self.directory / known.backing_filename).stat().st_ino
                except FileNotFoundError:
                    raise HostProblem(
                        f"image {entry.reference} has lost the file whose data it shares:"
                        f" {known.backing_filename}"
                    ) from None
        return _Facts(size, facts.st_blocks * 512, facts.st_mtime, base)


@dataclass(frozen=True)
class _Facts:
    size_bytes: int
    used_bytes: int
    changed_s: float
    base_inode: int  #: 0: it has no base


def _base_name(path: Path) -> str:
    return qemu_img.info(path, "qcow2").backing_filename or ""


def remove_tree(folder: Path) -> None:
    """Remove a work folder; what a build without root made there belongs to our subordinate users."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM) or os.geteuid() == 0:
            raise
        run(["unshare", "--map-root-user", "--map-auto", "rm", "-rf", "--", folder])
