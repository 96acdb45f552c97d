"""`xm image push` and `pull`: images from this machine's store to another host's, and back.

Each piece goes with its SHA-256, those of zeros are not sent, and what has arrived stays: whoever is killed,
the same command goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from domus.model.errors import DomusError, OutcomeUnknown, Unreachable

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.client.images import Images
    from domus.model.images import Image
    from domus.model.transfers import ImageLayout
    from domus.storage.images.store import DirectoryStore

Report = Callable[[str, float | None], None]


class _Way(NamedTuple):
    """From where to where an image goes, and as what."""

    store: DirectoryStore
    reference: str
    name: str
    host: str
    images: Images
    report: Report


def push(call: Call) -> int:
    """`xm image push NAME HOST`."""
    with _way(call) as way:
        image = send(way.store, way.reference, way.images, way.name, way.host, way.report)
    print(f"Image {image.name} is on {way.host} ({image.path}).")
    return 0


def pull(call: Call) -> int:
    """`xm image pull NAME HOST`."""
    with _way(call) as way:
        path = fetch(way.store, way.reference, way.images, way.name, way.host, way.report)
    print(f"Image {way.name} is here: disk=['image:{way.name},xvda,w'] ({path})")
    return 0


@contextmanager
def _way(call: Call) -> Iterator[_Way]:
    """What both commands are told: an image, another host, `--as` and `--store`."""
    from domus.cli.images import progress, words_of
    from domus.storage.images import places

    reference, host = words_of(call, 2)
    name = call.value("as") or reference.partition("@")[0]
    store = places.directory(call.value("store"))
    with _remote(host) as images, progress() as report, _resumable():
        yield _Way(store, reference, name, host, images, report)


def send(
    store: DirectoryStore, reference: str, images: Images, name: str, host: str, report: Report
) -> Image:
    """Send an image of `store`, or what is missing of it there.

    Raises:
        InUse, Busy, WrongState, NotFound: it cannot be read.
        Conflict: it was changed meanwhile.
        DomusError: what the other host says.
    """
    from domus.model.transfers import ZEROS, ImageOffer, digest, pieces_of, whole
    from domus.storage.images import leaving

    with (
        store.claimed(reference, alone=False) as entry,
        leaving.with_all_its_data(store, entry, report) as source,
    ):
        there = leaving.layout(source)
        incoming = images.expect(
            ImageOffer(
                name=name, format=there.format, file_bytes=there.file_bytes, data_bytes=there.data_bytes
            )
        )
        sums = [ZEROS] * pieces_of(there.file_bytes)
        for number in sorted({*there.pieces, *incoming.pieces}):
            _tell(report, f"sending {reference} to {host}", number, there)
            piece = leaving.piece(source, number, there.version)
            sums[number] = digest(piece)
            if incoming.pieces.get(number, ZEROS) != sums[number]:
                images.put(incoming.token, number, b"" if sums[number] == ZEROS else piece, sums[number])
        report(f"checking {name} on {host}", None)
        return images.finish(incoming.token, whole(sums))


def fetch(store: DirectoryStore, reference: str, images: Images, name: str, host: str, report: Report) -> str:
    """Fetch an image into `store`, or what is missing of it here; returns its path.

    Raises:
        AlreadyExists, NoCapacity, BadInput: it cannot be kept here.
        Conflict: it was changed meanwhile.
        DomusError: what the other host says.
    """
    from domus.model.transfers import ZEROS, ImageOffer, digest, pieces_of, whole
    from domus.storage.images.arriving import Arriving

    there = images.layout(reference)
    offer = ImageOffer(
        name=name, format=there.format, file_bytes=there.file_bytes, data_bytes=there.data_bytes
    )
    arriving, incoming = Arriving.expect(store, offer)
    sums = [ZEROS] * pieces_of(there.file_bytes)
    for number in sorted({*there.pieces, *incoming.pieces}):
        _tell(report, f"fetching {reference} from {host}", number, there)
        sums[number] = incoming.pieces.get(number, ZEROS)
        piece = images.piece(there, reference, number, known=sums[number])
        if piece is not None:
            sums[number] = digest(piece)
            arriving.take(number, piece, sums[number])
    report(f"checking {name}", None)
    return str(arriving.finish(whole(sums)).path)


def _tell(report: Report, doing: str, number: int, layout: ImageLayout) -> None:
    from domus.model.transfers import pieces_of

    report(doing, number / max(pieces_of(layout.file_bytes), 1))


@contextmanager
def _remote(host: str) -> Iterator[Images]:
    """The images of another host."""
    from domus.cli.target import Local, named
    from domus.model.errors import BadInput

    target = named(host)
    if isinstance(target, Local):
        raise BadInput("an image goes from host to host", hint="xm image convert copies one here")
    with target.client as client:
        yield client.images


@contextmanager
def _resumable() -> Iterator[None]:
    """What the block raises when a host has gone says how to go on."""
    hint = "what has arrived is kept for a week: the same command goes on from there"
    try:
        yield
    except (Unreachable, OutcomeUnknown) as error:
        told = error.what.removesuffix(". It may have been done")
        raise type(error)(told, where=error.where, hint=hint) from error
    except KeyboardInterrupt:
        raise DomusError("broken off", hint=hint) from None
