"""A volume group of LVM's as a store: `vg:NAME`, and `vg:NAME/POOL` for the thin volumes of a pool.

An image is a logical volume of its name with the tag `domus.image`, so that nothing else in the group is ever
taken for one; a snapshot (thin pools alone have them) is a read-only volume with the tag
`domus.snapshot=IMAGE/SNAPSHOT`. A volume that is being filled is called `work-HEX` after its work folder, and
has the tag `domus.work`: killed anywhere, the next change of the store finds it without that folder and
removes it. Once a volume is whole that shall take the place of an image, its tag is `domus.becomes=IMAGE`
instead: the old one is removed, the new one renamed, and whoever is killed between the two is followed by a
command that ends it.

Source: lvmthin(7), lvcreate(8), lvs(8); a change of a volume's tags or name is one commit of LVM's metadata.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput, Busy, DomusError, NoCapacity, NotFound
from domus.model.images import Image, ImageFormat, Snapshot
from domus.programs import run
from domus.storage import space
from domus.storage.images import copying, names, users
from domus.storage.images.base import Entry, Store
from domus.storage.images.names import human
from domus.storage.images.store import DirectoryStore

PREFIX: Final = "vg:"

_IMAGE: Final = "domus.image"
_SNAPSHOT: Final = "domus.snapshot="
_WORK: Final = "domus.work"
_BECOMES: Final = "domus.becomes="

#: where work folders are: files are made there before they become volumes
_DESKS: Final = Path("/var/lib/domus/image-work")

_COLUMNS: Final = "lv_name,lv_size,lv_tags,pool_lv,data_percent,lv_time,segtype,vg_free"
_WITHIN: Final = 300.0  # seconds: LVM waits for its own lock, and the kernel for disks


@dataclass(frozen=True)
class _Volume:
    name: str
    size_bytes: int
    used_bytes: int
    made_s: float
    pool: str  #: "": it is no thin volume
    tags: frozenset[str]
    kind: str  #: LVM's type of its segments: linear, thin, thin-pool...
    group_free_bytes: int

    def tagged(self, prefix: str) -> str | None:
        """What stands behind the tag that begins so."""
        return next((tag.removeprefix(prefix) for tag in sorted(self.tags) if tag.startswith(prefix)), None)


class VolumeStore(Store):
    """The images in volume group `group`: in thin pool `pool`, or ("") whole volumes."""

    def __init__(self, group: str, pool: str = "") -> None:
        self.group, self.pool = group, pool
        self._desk = DirectoryStore(_DESKS / group)
        self._unnamed: set[str] = set()  #: work volumes of ours

    def __str__(self) -> str:
        return f"{PREFIX}{self.group}/{self.pool}" if self.pool else f"{PREFIX}{self.group}"

    # Looking

    def entries(self) -> list[Entry]:
        """See Store."""
        return [entry for entry, _ in self._found()]

    def images(self) -> list[Image]:
        """See Store."""
        found = self._found()
        return [
            Image(
                name=entry.name,
                store=str(self),
                path=str(entry.path),
                format=entry.format,
                size_bytes=volume.size_bytes,
                used_bytes=volume.used_bytes,
                changed_s=0,
                snapshots=tuple(
                    Snapshot(
                        name=each.snapshot,
                        path=str(each.path),
                        created_s=kept.made_s,
                        used_bytes=kept.used_bytes,
                    )
                    for each, kept in sorted(found, key=lambda pair: pair[1].made_s)
                    if each.snapshot and each.name == entry.name
                ),
            )
            for entry, volume in found
            if not entry.snapshot
        ]

    def clones_of(self, entry: Entry) -> list[str]:
        """See Store. What thin volumes share is never written."""
        del entry
        return []

    def _found(self) -> list[tuple[Entry, _Volume]]:
        found = []
        for volume in self._volumes():
            if volume.pool != self.pool:
                continue
            path = Path("/dev", self.group, volume.name)
            if _IMAGE in volume.tags:
                found.append((Entry(volume.name, "", path, ImageFormat.RAW), volume))
            elif of := volume.tagged(_SNAPSHOT):
                name, _, snapshot = of.partition("/")
                found.append((Entry(name, snapshot, path, ImageFormat.RAW), volume))
        return sorted(found, key=lambda pair: pair[0].reference)

    def _volumes(self) -> list[_Volume]:
        """All volumes of the group.

        Raises:
            NotFound: there is no such group, or no such pool in it.
        """
        try:
            rows = space.asked("lvs", "lv", _COLUMNS, "--config", 'report { time_format="%s" }', self.group)
        except DomusError as error:
            raise NotFound(f"{self}: LVM has no volume group {self.group}", hint="vgs") from error
        volumes = []
        for row in rows:
            size, kind = int(row["lv_size"] or 0), row["segtype"]
            shared = kind in ("thin", "thin-pool")
            volumes.append(
                _Volume(
                    name=row["lv_name"],
                    size_bytes=size,
                    used_bytes=round(size * float(row["data_percent"] or 0) / 100) if shared else size,
                    made_s=float(row["lv_time"] or 0),
                    pool=row["pool_lv"] if kind == "thin" else "",
                    tags=frozenset(row["lv_tags"].split(",")),
                    kind=kind,
                    group_free_bytes=int(row["vg_free"] or 0),
                )
            )
        if self.pool and not any(each.name == self.pool and each.kind == "thin-pool" for each in volumes):
            raise NotFound(f"{self}: volume group {self.group} has no thin pool {self.pool}", hint="lvs")
        return volumes

    # Changing

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While the block lasts, nobody else gives or takes names here; leftovers are dealt with first."""
        with self._desk.changing():
            self._sweep()
            yield

    @contextmanager
    def working(self) -> Iterator[Path]:
        """See Store."""
        with self._desk.working() as folder:
            try:
                yield folder
            finally:
                if (work := _work_name(folder)) in self._unnamed:
                    self._unnamed.remove(work)
                    with suppress(DomusError):  # the next command's sweep removes it
                        self._lvm("lvremove", "-f", self._of(work))

    @contextmanager
    def claimed(self, reference: str, *, alone: bool = True) -> Iterator[Entry]:
        """See Store. Volumes have no locks of their own: to open one would make it look used."""
        entry = self.find(reference)
        locks = self._desk.directory / "locks"
        locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (locks / entry.path.name).open("a") as file:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"another command works on image {entry.reference}") from None
            if self.find(reference) != entry:
                raise Busy(f"image {entry.reference} was just replaced", hint="try again")
            yield entry

    def take_in(self, fresh: Path, name: str, form: ImageFormat, snapshot: str = "") -> Entry:
        """See Store; the volume is as large as the file, in whole extents."""
        if form is not ImageFormat.RAW or snapshot:
            raise BadInput(f"{self} has raw images only", hint="leave out --format")
        self.check_free(name)
        work = self._filled(fresh)
        with self.changing():
            return self._named(work, name)

    def replace(self, entry: Entry, fresh: Path) -> None:
        """See Store."""
        self._becomes(self._filled(fresh), entry.name)

    def lengthen(self, entry: Entry, size: int) -> bool:
        """See Store."""
        self._lvm("lvextend", "-L", f"{size}b", self._of(entry.path.name))
        return True

    def remove(self, reference: str, *, with_snapshots: bool = False) -> list[str]:
        """See Store."""
        with self.claimed(reference) as entry, self.changing():
            users.check_unused(entry.path, f"image {entry.reference}")
            mine = self.going_with(entry, with_snapshots)
            for each in mine:
                self._lvm("lvremove", "-f", self._of(each.path.name))
        return [each.reference for each in mine]

    # What only thin pools have

    def clone(self, reference: str, name: str) -> Entry:
        """See cloning.clone.

        Raises:
            BadInput: the group's volumes are whole ones.
        """
        self._check_thin(f"xm image convert {reference} {name} copies it")
        self.check_free(name)
        with self.claimed(reference, alone=False) as entry, self.working() as folder, self.changing():
            users.check_not_written(entry.path, f"image {entry.reference}")
            self._unnamed.add(_work_name(folder))
            self._shared(entry, _work_name(folder), _WORK)
            return self._named(_work_name(folder), name)

    def snapshot(self, name: str, called: str) -> Entry:
        """See cloning.snapshot. Raises BadInput as `clone` does."""
        self._check_thin(f"xm image convert {name} {name}-{called} copies it")
        with self.claimed(name) as entry, self.changing():
            self.check_free(name, called)
            users.check_not_written(entry.path, f"image {name}")
            kept = f"snap-{copying.token()}"
            self._shared(entry, kept, f"{_SNAPSHOT}{name}/{called}", "--permission", "r")
            return Entry(name, called, Path("/dev", self.group, kept), ImageFormat.RAW)

    def revert(self, reference: str) -> Entry:
        """See cloning.revert."""
        name, _ = names.split(reference)
        with self.claimed(name) as entry, self.claimed(reference, alone=False) as kept:
            users.check_unused(entry.path, f"image {name}")
            with self.working() as folder:
                self._unnamed.add(_work_name(folder))
                self._shared(kept, _work_name(folder), _WORK)
                self._becomes(_work_name(folder), name)
            return entry

    def _check_thin(self, instead: str) -> None:
        if not self.pool:
            raise BadInput(
                f"whole volumes share nothing: {self} has no clones and snapshots",
                hint=f"a thin pool has: {self}/POOL; {instead}",
            )

    # LVM

    def _filled(self, fresh: Path) -> str:
        """A new volume with the content of a file of a work folder; returns its name."""
        work, size = _work_name(fresh.parent), fresh.stat().st_size
        self._check_room(size, copying.data_bytes(fresh))
        wanted = ["--thin", "-V", f"{size}b"] if self.pool else ["-L", f"{size}b"]
        where = f"{self.group}/{self.pool}" if self.pool else self.group
        self._unnamed.add(work)
        self._lvm("lvcreate", "-q", "-y", "--name", work, "--addtag", _WORK, *wanted, where)
        device = Path("/dev", self.group, work)
        if not self.pool:
            # What was there before is somebody else's.
            run(["blkdiscard", "--zeroout", "--force", device])
        copying.pour(fresh, device)
        return work

    def _check_room(self, size: int, data: int) -> None:
        volumes = self._volumes()
        pool = next((each for each in volumes if self.pool and each.name == self.pool), None)
        if pool is not None:
            free, needed = pool.size_bytes - pool.used_bytes, data
        else:  # LVM itself refuses where a group without a volume has no room
            free, needed = volumes[0].group_free_bytes if volumes else size, size
        if free < needed:
            raise NoCapacity(
                f"{self}: {human(free)} free, {human(needed)} needed",
                hint="lvextend, vgextend, or another store with --store",
            )

    def _shared(self, source: Entry, name: str, tag: str, *more: str) -> None:
        """A volume with the blocks of another one, which it shares until one of them is written."""
        # Without -kn it would be "skipped" at activation, as thin snapshots are.
        argv = ["lvcreate", "-q", "-y", "-s", "-kn", "-ay", "--name", name, "--addtag", tag]
        self._lvm(*argv, *(more or ("--permission", "rw")), self._of(source.path.name))

    def _named(self, work: str, name: str) -> Entry:
        """A volume that is whole becomes image `name`: with its tag, the last step. Within `changing`."""
        self.check_free(name)
        self._lvm("lvrename", self.group, work, name)
        self._unnamed.discard(work)
        self._lvm("lvchange", "--deltag", _WORK, "--addtag", _IMAGE, self._of(name))
        return Entry(name, "", Path("/dev", self.group, name), ImageFormat.RAW)

    def _becomes(self, work: str, name: str) -> None:
        """A volume that is whole takes the place of image `name`."""
        with self.changing():
            tag = f"{_BECOMES}{name}"
            self._lvm("lvchange", "--deltag", _WORK, "--addtag", tag, self._of(work))
            self._unnamed.discard(work)
            self._end_becoming(work, name, tag)

    def _end_becoming(self, work: str, name: str, tag: str) -> None:
        if self._called(name):
            self._lvm("lvremove", "-f", self._of(name))
        self._lvm("lvrename", self.group, work, name)
        self._lvm("lvchange", "--deltag", tag, "--addtag", _IMAGE, self._of(name))

    def _sweep(self) -> None:
        """End or undo what interrupted commands have begun; folders of theirs that nobody has are gone."""
        living = {_work_name(folder) for folder in self._desk.directory.glob(".work-*")}
        for volume in self._volumes():
            if (name := volume.tagged(_BECOMES)) is not None:
                tag = f"{_BECOMES}{name}"
                if volume.name == name:
                    self._lvm("lvchange", "--deltag", tag, "--addtag", _IMAGE, self._of(name))
                else:
                    self._end_becoming(volume.name, name, tag)
            elif _WORK in volume.tags and volume.name not in living:
                self._lvm("lvremove", "-f", self._of(volume.name))

    def _called(self, name: str) -> list[_Volume]:
        return [volume for volume in self._volumes() if volume.name == name]

    def _of(self, name: str) -> str:
        return f"{self.group}/{name}"

    def _lvm(self, *argv: str) -> None:
        run(argv, within=_WITHIN)


def _work_name(folder: Path) -> str:
    return folder.name.lstrip(".")


def named(reference: str) -> VolumeStore:
    """The store `vg:NAME` or `vg:NAME/POOL`.

    Raises:
        BadInput: it is none.
    """
    group, slash, pool = reference.removeprefix(PREFIX).partition("/")
    names.check(group, "volume group")
    return VolumeStore(group, names.check(pool, "thin pool") if slash else "")
