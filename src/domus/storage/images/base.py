"""What every store of images is: a directory (`store`), or a volume group (`volumes`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from domus.model.errors import AlreadyExists, InUse, NotFound
from domus.model.images import Image, ImageFormat
from domus.storage.images import names


@dataclass(frozen=True)
class Entry:
    """An image's file or volume, or a snapshot's."""

    name: str
    snapshot: str  #: "": the image itself
    path: Path
    format: ImageFormat

    @property
    def reference(self) -> str:
        """As the command line names it."""
        return f"{self.name}@{self.snapshot}" if self.snapshot else self.name

    @property
    def inode(self) -> int:
        """Which file it is, whatever its name."""
        return self.path.stat().st_ino


class Store(ABC):
    """A store of images. What is made anew is made elsewhere, and gets its name in one step."""

    @abstractmethod
    def __str__(self) -> str:
        """As the command line names it."""

    # Looking

    @abstractmethod
    def entries(self) -> list[Entry]:
        """All images and snapshots, sorted."""

    @abstractmethod
    def images(self) -> list[Image]:
        """All images with what is known of them."""

    @abstractmethod
    def clones_of(self, entry: Entry) -> list[str]:
        """Other images that share this one's data, which therefore must not be written."""

    def find(self, reference: str) -> Entry:
        """An image, or a snapshot (`web@before`).

        Raises:
            NotFound: there is none of that name.
            BadInput: it is no name.
        """
        name, snapshot = names.split(reference)
        for entry in self.entries():
            if (entry.name, entry.snapshot) == (name, snapshot):
                return entry
        what = "snapshot" if snapshot else "image"
        raise NotFound(f"no {what} {reference!r} in {self}", hint="xm image list")

    def image(self, name: str) -> Image:
        """One image with what is known of it. Raises as `find`."""
        self.find(name)
        return next(image for image in self.images() if image.name == name)

    def check_free(self, name: str, snapshot: str = "") -> None:
        """Refuse a name that is taken, or is no name.

        Raises:
            AlreadyExists: there is such an image, or such a snapshot.
            BadInput: no image can be called so.
        """
        names.check(name)
        for entry in self.entries():
            if (entry.name, entry.snapshot) == (name, snapshot):
                what = "a snapshot" if snapshot else "an image"
                raise AlreadyExists(f"{self} has {what} {entry.reference!r} already", hint="xm image list")

    def going_with(self, entry: Entry, with_snapshots: bool) -> list[Entry]:
        """What goes when an image or a snapshot is removed, in that order.

        Raises:
            InUse: the image has snapshots, and they shall not go with it.
        """
        if entry.snapshot:
            return [entry]
        snapshots = [each for each in self.entries() if each.name == entry.name and each.snapshot]
        if snapshots and not with_snapshots:
            raise InUse(
                f"image {entry.name} has snapshots: {', '.join(each.snapshot for each in snapshots)}",
                hint="--snapshots removes them as well",
            )
        return [*snapshots, entry]

    # Changing

    @abstractmethod
    def working(self) -> AbstractContextManager[Path]:
        """A folder for what is being made, gone at the end of the block."""

    @abstractmethod
    def claimed(self, reference: str, *, alone: bool = True) -> AbstractContextManager[Entry]:
        """Hold an image while the block lasts.

        Args:
            alone: it will be replaced; else it is only read, and others may read it as well.

        Raises:
            Busy: another command works on it.
            NotFound: see `find`.
        """

    @abstractmethod
    def take_in(self, fresh: Path, name: str, form: ImageFormat, snapshot: str = "") -> Entry:
        """Give a finished file of a `working` folder its name, for good.

        Raises:
            AlreadyExists: the name was taken meanwhile.
        """

    @abstractmethod
    def replace(self, entry: Entry, fresh: Path) -> None:
        """Let a finished file be the image from now on."""

    @abstractmethod
    def lengthen(self, entry: Entry, size: int) -> bool:
        """Make the disk longer where it is, whole or not at all; False: it must be made anew for that."""

    @abstractmethod
    def remove(self, reference: str, *, with_snapshots: bool = False) -> list[str]:
        """Remove an image, or a snapshot; returns what was removed.

        Raises:
            InUse: somebody has it open, clones share its data, or it has snapshots.
            NotFound: see `find`.
        """
