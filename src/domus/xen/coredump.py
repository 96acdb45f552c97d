"""A domain's memory as an ELF core file: a program of its own, that can be ended at any moment.

    python3 -m domus.xen.coredump DOMID FILE

PV domains are dumped by libxc: only it finds their pages. Of PVH and HVM domains libxc would try to map
every frame below 4 GiB one by one, which takes tens of minutes where each trial is slow; here Xen is asked
first which frames there are, a thousand at a time. What comes out has the same form, and the same tools
read it.

Source: docs/misc/dump-core-format.txt, public/elfnote.h, tools/libs/guest/xg_core.h of Xen; elf(5).
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from domus.model.errors import DomusError
from domus.xen.libxl import Libxl
from domus.xen.libxl.foreign import CONTEXT_BYTES, PAGE

# elf(5)
_ELF_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_NOTE: Final = struct.Struct("<III4s")
_IDENT: Final = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")  # 64 bits, little-endian, System V
_ET_CORE: Final = 4
_EM_X86_64: Final = 62
_PROGBITS, _STRTAB, _NOTES = 1, 3, 7

# public/elfnote.h, XEN_ELFNOTE_DUMPCORE_*; xg_core.h, XC_CORE_MAGIC_HVM, XEN_DUMPCORE_FORMAT_VERSION,
# XC_CORE_INVALID_PFN
_NOTE_NONE, _NOTE_HEADER, _NOTE_XEN_VERSION, _NOTE_FORMAT_VERSION = range(0x2000000, 0x2000004)
_MAGIC_HVM: Final = 0xF00FEBEE
_FORMAT: Final = 1
_NO_FRAME: Final = (1 << 64) - 1

# public/version.h: number and length of what the note of Xen's version holds after the version's two numbers:
# extra version, how it was compiled, capabilities, changeset, platform parameters
_XENVER_VERSION: Final = 0
_XENVER_TEXTS: Final = ((1, 16), (2, 144), (3, 1024), (4, 64), (5, 8))

#: frames that are mapped and written at once
_AT_ONCE: Final = 512


class _Section(NamedTuple):
    name: str
    kind: int
    size: int
    align: int = 0
    entry: int = 0


def dump(libxl: Libxl, domid: int, path: str) -> None:
    """Write a domain's memory and registers into a file, which is there; it may run meanwhile, or be dead.

    Raises:
        DomainNotFound: it is not there, or has gone meanwhile.
        LibxlError, HostProblem: its memory cannot be read.
        OSError: the file cannot be written.
    """
    if libxl.domain_type(domid) == "pv":
        libxl.core_dump(domid, path)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _dump_translated(libxl, domid, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump_translated(libxl: Libxl, domid: int, descriptor: int) -> None:
    info = libxl.domain_info(domid) or {}
    contexts = libxl.vcpu_contexts(domid, int(info.get("vcpu_max_id", 0)) + 1)
    frames = libxl.frames(domid)
    notes = _notes(libxl, len(contexts), len(frames))
    sections = (
        _Section(".note.Xen", _NOTES, len(notes)),
        _Section(".xen_prstatus", _PROGBITS, CONTEXT_BYTES * len(contexts), 8, CONTEXT_BYTES),
        _Section(".xen_pages", _PROGBITS, PAGE * len(frames), PAGE, PAGE),
        _Section(".xen_pfn", _PROGBITS, 8 * len(frames), 8, 8),
    )
    head, pages_at, names = _head(sections)
    _write(descriptor, (head + notes + b"".join(contexts)).ljust(pages_at, b"\0"))
    with libxl.mapping(domid) as mapping:
        for at in range(0, len(frames), _AT_ONCE):
            piece = frames[at : at + _AT_ONCE]
            contents, gone = mapping.read(piece)
            _write(descriptor, contents)
            if gone:  # it runs, and has given memory back
                frames[at : at + _AT_ONCE] = [_NO_FRAME if frame in gone else frame for frame in piece]
    _write(descriptor, struct.pack(f"<{len(frames)}Q", *frames))
    _write(descriptor, names)


def _head(sections: Sequence[_Section]) -> tuple[bytes, int, bytes]:
    """The file up to its first section's content; where its pages begin; the sections' names, its end."""
    texts = (".shstrtab", *(section.name for section in sections))
    starts = list(accumulate((len(text) + 1 for text in texts), initial=1))
    names = b"\0" + b"".join(text.encode() + b"\0" for text in texts)
    table = (2 + len(sections)) * _SECTION.size
    place, pages_at, rows = _ELF_HEADER.size + table, 0, []
    for section, name in zip(sections, starts[1:], strict=False):
        if section.align == PAGE:
            place = pages_at = (place + PAGE - 1) // PAGE * PAGE
        row = (name, section.kind, 0, 0, place, section.size, 0, 0, section.align, section.entry)
        rows.append(_SECTION.pack(*row))
        place += section.size
    strings = _SECTION.pack(starts[0], _STRTAB, 0, 0, place, len(names), 0, 0, 0, 0)
    header = _ELF_HEADER.pack(
        *(_IDENT, _ET_CORE, _EM_X86_64, 1, 0, 0, _ELF_HEADER.size, 0),
        *(_ELF_HEADER.size, 56, 0, _SECTION.size, 2 + len(sections), 1),
    )
    return header + bytes(_SECTION.size) + strings + b"".join(rows), pages_at, names


def _notes(libxl: Libxl, vcpus: int, pages: int) -> bytes:
    version, _ = libxl.xenver(_XENVER_VERSION)
    texts = b"".join(libxl.xenver(what, size)[1] for what, size in _XENVER_TEXTS)
    notes: Iterator[tuple[int, bytes]] = iter(
        (
            (_NOTE_NONE, b""),
            (_NOTE_HEADER, struct.pack("<4Q", _MAGIC_HVM, vcpus, pages, PAGE)),
            (
                _NOTE_XEN_VERSION,
                struct.pack("<2Q", version >> 16, version & 0xFFFF) + texts + struct.pack("<Q", PAGE),
            ),
            (_NOTE_FORMAT_VERSION, struct.pack("<Q", _FORMAT)),
        )
    )
    return b"".join(_NOTE.pack(4, len(text), kind, b"Xen\0") + text for kind, text in notes)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def main() -> int:
    """Dump the domain of the first argument into the file of the second; what went wrong is the last line."""
    _, domid, path = sys.argv
    try:
        libxl = Libxl.open()
        try:
            dump(libxl, int(domid), path)
        finally:
            libxl.close()
    except DomusError as error:
        sys.stderr.write(f"{error.what}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
