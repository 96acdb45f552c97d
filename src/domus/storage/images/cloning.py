"""Clones, snapshots, and going back to one: in an instant where the file system shares blocks or the image is
qcow2. Only a snapshot of a raw image on another file system is a copy."""

from __future__ import annotations

from pathlib import Path

from domus.model.images import ImageFormat
from domus.storage.images import copying, names, users
from domus.storage.images.base import Entry, Store
from domus.storage.images.names import Report
from domus.storage.images.store import DirectoryStore
from domus.storage.images.volumes import VolumeStore


def clone(store: Store, reference: str, name: str) -> Entry:
    """A new image that begins as `reference` (an image, or a snapshot) is now.

    Where the file system cannot share blocks, the clone is a qcow2 file over the other's data, which
    therefore cannot be written any more as long as there is such a clone.

    Raises:
        InUse: somebody writes to the image.
        AlreadyExists, NotFound, Busy.
    """
    if isinstance(store, VolumeStore):
        return store.clone(reference, name)
    assert isinstance(store, DirectoryStore)  # noqa: S101 - there is no third kind
    store.check_free(name)
    with store.claimed(reference, alone=False) as entry, store.working() as work:
        users.check_not_written(entry.path, f"image {entry.reference}")
        fresh = work / "image"
        if copying.share(entry.path, fresh):
            return store.take_in(fresh, name, entry.format)
        with store.changing():
            store.based_on(entry, fresh)
            return store.take_in(fresh, name, ImageFormat.QCOW2)


def snapshot(store: Store, name: str, called: str, report: Report = names.silent) -> Entry:
    """Keep the present state of an image under the name `called`.

    Raises:
        InUse: somebody writes to the image.
        AlreadyExists, NotFound, Busy.
    """
    names.check(called, "snapshot")
    if isinstance(store, VolumeStore):
        return store.snapshot(names.check(name), called)
    assert isinstance(store, DirectoryStore)  # noqa: S101
    with store.claimed(names.check(name)) as entry:
        store.check_free(name, called)
        users.check_not_written(entry.path, f"image {name}")
        with store.working() as work:
            fresh = work / "image"
            if entry.format is ImageFormat.QCOW2 and not copying.share(entry.path, fresh):
                return _set_aside(store, entry, fresh, called)
            if not fresh.exists():
                copying.copy(entry.path, fresh, report, f"copying {name}")
            return store.take_in(fresh, name, entry.format, called)


def _set_aside(store: DirectoryStore, entry: Entry, fresh: Path, called: str) -> Entry:
    """The image's file becomes the snapshot, and a new file over it the image."""
    with store.changing():
        store.based_on(entry, fresh)
        kept = fresh.with_name("snapshot")
        kept.hardlink_to(entry.path)
        # From here on the image is the new file. Killed before the next step, it has the same content.
        store.put_over(entry, fresh)
        return store.take_in(kept, entry.name, entry.format, called)


def revert(store: Store, reference: str, report: Report = names.silent) -> Entry:
    """Let an image be again what it was: `web@before`. What it is now is lost.

    Raises:
        InUse: somebody has the image open.
        NotFound, Busy.
    """
    if isinstance(store, VolumeStore):
        return store.revert(reference)
    assert isinstance(store, DirectoryStore)  # noqa: S101
    name, _ = names.split(reference)
    with store.claimed(name) as entry, store.claimed(reference, alone=False) as kept:
        users.check_unused(entry.path, f"image {name}")
        with store.working() as work:
            fresh = work / "image"
            if kept.format is ImageFormat.QCOW2 and not copying.share(kept.path, fresh):
                with store.changing():
                    store.based_on(kept, fresh)
                    store.put_over(entry, fresh)
            else:
                if not fresh.exists():
                    copying.copy(kept.path, fresh, report, f"copying {reference}")
                store.replace(entry, fresh)
        return entry
