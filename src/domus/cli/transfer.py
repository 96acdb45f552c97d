"""`xm export` and `xm import`: everything that a host manages, as one document."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from domus.cli.as_json import document
from domus.model.errors import AlreadyExists, BadInput
from domus.model.managed import EXPORT_FORMAT, EXPORT_VERSION, Clash, Export

if TYPE_CHECKING:
    from domus.cli.options import Call


class _Head(msgspec.Struct):
    """What every version of the format has."""

    format: str
    version: int


def export(call: Call) -> int:
    """`xm export [FILE]`."""
    if len(call.words) > 1:
        raise call.wrong("'xm export' takes one file")
    text = document(call.client.managed.export())
    if not call.words or call.words[0] == "-":
        sys.stdout.write(text)
    else:
        _write(call.words[0], text, force=call.has("force"))
    return 0


def _write(name: str, text: str, *, force: bool) -> None:
    """Write a file that nobody else may read: configurations can hold passwords."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(name, flags, 0o600)
    except FileExistsError:
        raise AlreadyExists(f"{name} exists already", hint="--force replaces it") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def take_in(call: Call) -> int:
    """`xm import FILE [--force|--skip]`."""
    if len(call.words) != 1:
        raise call.wrong("'xm import' takes one file")
    if call.has("force") and call.has("skip"):
        raise call.wrong("--force replaces and --skip leaves out what is there; one of them")
    clash = Clash.REPLACE if call.has("force") else Clash.SKIP if call.has("skip") else Clash.REFUSE
    done = call.client.managed.take_in(_read(call.words[0]), clash)
    for names, what in ((done.added, "imported"), (done.replaced, "replaced"), (done.skipped, "left out")):
        if names:
            print(f"{what}: {', '.join(names)}")
    for image in done.missing:
        print(f"Warning: this host does not have {image}", file=sys.stderr)
    return 0


def _read(name: str) -> Export:
    content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format != EXPORT_FORMAT:
            raise BadInput(
                f"this is no export of managed domains: its format is {head.format[:40]!r}", where=name
            )
        if head.version > EXPORT_VERSION:
            raise BadInput(f"this export was made by a newer Domus (version {head.version})", where=name)
        return msgspec.json.decode(content, type=Export)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"this is no export of managed domains: {error}", where=name) from None
