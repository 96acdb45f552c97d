"""Creating empty images, and writing what an image holds anew: in another format, or without its base."""

from __future__ import annotations

import os

from domus.model.errors import BadInput
from domus.model.images import ImageFormat
from domus.storage.images import copying, names, qemu_img, users
from domus.storage.images.base import Entry, Store
from domus.storage.images.names import Report

#: room for what a format has beside the data
_METADATA_BYTES = 16 << 20


def create(
    store: Store, name: str, size: int, form: ImageFormat = ImageFormat.RAW, *, full: bool = False
) -> Entry:
    """An empty image.

    Args:
        size: bytes that the guest sees.
        full: its place on the disk is taken at once, so that it cannot run out later.

    Raises:
        AlreadyExists, NoCapacity, BadInput.
    """
    store.check_free(name)
    with store.working() as work:
        copying.need_space(work, size + _METADATA_BYTES if full else _METADATA_BYTES)
        fresh = work / "image"
        if form is ImageFormat.RAW:
            with fresh.open("xb") as file:
                os.ftruncate(file.fileno(), size)
                if full:
                    os.posix_fallocate(file.fileno(), 0, size)
        else:
            # VHD counts in cylinders unless it is told the size that counts.
            exact = {ImageFormat.QCOW2: "falloc" if full else "off", ImageFormat.VHD: ""}[form]
            option = f"preallocation={exact}" if exact else "force_size=on"
            qemu_img.create(fresh, form.value, size, "-o", option)
        return store.take_in(fresh, name, form)


def convert(
    store: Store,
    reference: str,
    name: str = "",
    form: ImageFormat | None = None,
    report: Report = names.silent,
) -> Entry:
    """Write an image anew: as image `name`, or in its own place, then without a base and without dead weight.

    Raises:
        BadInput: another format without another name: configurations know an image by its file.
        InUse, AlreadyExists, NotFound, NoCapacity, Busy.
    """
    with store.claimed(reference, alone=not name) as entry:
        form = form or entry.format
        if name:
            store.check_free(name)
            users.check_not_written(entry.path, f"image {entry.reference}")
        elif entry.snapshot or form is not entry.format:
            raise BadInput(
                f"{entry.reference} cannot become {form.value} in its own place",
                hint=f"xm image convert {reference} NEWNAME --format {form.value}",
            )
        else:
            users.check_unused(entry.path, f"image {entry.reference}")
        with store.working() as work:
            copying.need_space(work, copying.data_bytes(entry.path))
            fresh = work / "image"
            drivers = qemu_img.DRIVERS[entry.format.value], qemu_img.DRIVERS[form.value]
            qemu_img.convert(
                entry.path, drivers[0], fresh, drivers[1], report, f"converting {entry.reference}"
            )
            if name:
                return store.take_in(fresh, name, form)
            store.replace(entry, fresh)
            return entry
