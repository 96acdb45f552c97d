"""libxl's stream into a file in frames, and out of it: libxl in one thread, the file in another.

For worker threads; the event loop has no part in it.
"""

from __future__ import annotations

import os
from threading import Thread

from domus.domains.frames import Packer, Unpacker
from domus.model.errors import Cancelled, DomusError
from domus.xen.libxl import Abort, Libxl
from domus.xen.libxl.calls import Document

#: bytes that are read of a file at a time
_PIECE = 1 << 20


def save(libxl: Libxl, domid: int, descriptor: int, packer: Packer, abort: Abort) -> None:
    """Save a domain into the file at `descriptor`, behind what it has; as `libxl.save`.

    Raises:
        OSError: the file cannot be written; libxl has given up for it.
        LibxlError, Cancelled: as `libxl.save`.
    """
    failed: list[OSError] = []

    def write() -> None:
        try:
            for frame in packer.frames():
                write_all(descriptor, frame)
        except Cancelled:
            pass  # libxl failed, and says why
        except OSError as error:
            failed.append(error)

    writing = Thread(target=write, name="save")
    writing.start()
    try:
        libxl.save(domid, packer.descriptor, abort)
        packer.end()
    except BaseException:
        packer.abandon()
        writing.join()
        if failed:
            raise failed[0] from None
        raise
    writing.join()
    if failed:
        raise failed[0]


def restore(
    libxl: Libxl, document: Document, descriptor: int, place: int, unpacker: Unpacker, abort: Abort
) -> int:
    """Build a domain from the frames that begin at `place` of the file; returns its domid.

    Raises:
        BadInput: the file is damaged.
        OSError: it cannot be read.
        LibxlError, Cancelled: as `libxl.restore`.
    """
    failed: list[DomusError | OSError] = []

    def read() -> None:
        position = place
        try:
            while piece := os.pread(descriptor, _PIECE, position):
                unpacker.feed(piece)
                position += len(piece)
        except BrokenPipeError:
            pass  # libxl has ended, and says why
        except (DomusError, OSError) as error:
            failed.append(error)
        finally:
            unpacker.end()

    reading = Thread(target=read, name="restore")
    reading.start()
    try:
        return libxl.restore(document, unpacker.descriptor, abort)
    except BaseException:
        unpacker.close()
        reading.join()
        if failed:
            raise failed[0] from None
        raise
    finally:
        unpacker.close()
        reading.join()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
