"""Files of saved domains in xl's own format: read, and written for those who want xl to read them.

A header of 48 bytes, then "optional data", then libxl's stream. The optional data are the domain's
configuration as libxl's JSON; what follows it in there is not looked at by xl, and holds ours: the
configuration as it was asked for, which says more.

Source: tools/xl/xl.h (struct save_file_header) and tools/xl/xl_saverestore.c of Xen 4.17 to 4.20; for the
stream, docs/specs/libxl-migration-stream.pandoc and libxc-migration-stream.pandoc.
"""

from __future__ import annotations

import os
import struct
from typing import Any, Final

import msgspec

from domus.devices.backends import NO_SCRIPT
from domus.model.config import DomainConfig
from domus.model.errors import BadInput, DomusError
from domus.storage import loop

Document = dict[str, Any]

MAGIC: Final = b"Xen saved domain, xl format\n \0 \r"
OLD_MAGIC: Final = b"LinuxGuestRecord"  #: xend's own files, up to Xen 4.4

_HEADER: Final = struct.Struct("=32sIIII")  # magic, byte order, mandatory and optional flags, length
_LENGTH: Final = struct.Struct("=I")
_BYTE_ORDER: Final = 0x01020304
_JSON: Final = 1 << 0
_STREAM_V2: Final = 1 << 1
_OUR_MARK: Final = b"Domus 1\n"

#: bytes of optional data; a configuration has some thousand
_MOST: Final = 4 << 20

#: what is as it is when a domain is saved, not as it was configured: memory was ballooned, VCPUs were set
_PRESENT: Final = ("max_memkb", "target_memkb", "avail_vcpus")

_LIBXL_START: Final = struct.Struct(">8sII")  # ident, version, options (bit 0: big-endian; bit 1: converted)
_LIBXL_IDENT: Final = b"LibxlFmt"
_LIBXL_VERSION: Final = 2
_RECORD: Final = struct.Struct("<II")  # type, length; the content is padded to 8 bytes
_OPTIONAL: Final = 1 << 31  # a record that may be skipped by who does not know it
_END: Final = 0
_LIBXC: Final = 1  # the libxl record behind which libxc's stream stands
_LIBXC_START: Final = struct.Struct(">QIIHHI")  # marker, ident, version, options (bit 0: big-endian)
_LIBXC_MARKER: Final = (1 << 64) - 1
_LIBXC_IDENT: Final = 0x58454E46  # "XENF"
_LIBXC_DOMAIN: Final = 16  # bytes of the domain header
_KINDS: Final = {"libxl": range(6), "libxc": range(0x14)}


def header(document: Document, config: DomainConfig) -> bytes:
    """The head of a file.

    Args:
        document: libxl_domain_config of the running domain, as libxl tells it.
        config: what it was made from.
    """
    theirs = msgspec.json.encode(as_configured(document)) + b"\0"
    optional = _LENGTH.pack(len(theirs)) + theirs + _OUR_MARK + msgspec.json.encode(config)
    return _HEADER.pack(MAGIC, _BYTE_ORDER, _JSON | _STREAM_V2, 0, len(optional)) + optional


def parse(descriptor: int, path: str) -> tuple[DomainConfig, Document, int]:
    """The head of an open file: the configuration, what `present` said, and the offset of libxl's stream.

    Raises:
        BadInput: in xm's words.
    """
    head = os.pread(descriptor, _HEADER.size, 0)
    if not head.startswith(MAGIC) or len(head) < _HEADER.size:
        raise _foreign(head, path)
    _, order, mandatory, _, length = _HEADER.unpack(head)
    if order != _BYTE_ORDER:
        raise BadInput(f"not a valid guest state file: {path} is of a machine with another byte order")
    if mandatory & ~(_JSON | _STREAM_V2) or not mandatory & _STREAM_V2:
        raise BadInput(
            f"not a valid guest state file: {path} was written by another xl (flags {mandatory:#x})",
            hint="Xen 4.6 and later write what is read here",
        )
    if not _LENGTH.size <= length <= _MOST:
        raise BadInput(f"not a valid guest state file: config parse ({path}: {length} bytes)")
    optional = os.pread(descriptor, length, _HEADER.size)
    theirs_length = _LENGTH.unpack_from(optional.ljust(_LENGTH.size, b"\0"))[0]
    theirs = optional[_LENGTH.size : _LENGTH.size + theirs_length]
    if len(optional) < length or len(theirs) < theirs_length:
        raise BadInput(f"not a valid guest state file: config parse ({path} is cut off)")
    ours = optional[_LENGTH.size + theirs_length :]
    config, was = _configs(theirs.rstrip(b"\0"), ours, path)
    return config, was, _HEADER.size + length


def present(document: Document) -> Document:
    """What is as it is now, not as it was configured, of a running domain's document."""
    build = document.get("b_info", {})
    return {key: build[key] for key in _PRESENT if key in build}


def check(descriptor: int, path: str, stream: int, size: int) -> int:
    """Go through the records of libxl's stream, which have no checksums; returns its length in bytes.

    Args:
        stream: its offset.
        size: of the file, in bytes.

    Raises:
        BadInput: it is cut off, or no such stream.
    """

    def take(form: struct.Struct, place: int) -> tuple[Any, ...]:
        data = os.pread(descriptor, form.size, place)
        if len(data) < form.size:
            raise BadInput(f"not a valid guest state file: {path} is cut off")
        return form.unpack(data)

    def records(place: int, what: str) -> int:
        """The offset behind the end record of a stream whose records begin at `place`."""
        while True:
            kind, length = take(_RECORD, place)
            place += _RECORD.size + (length + 7) // 8 * 8
            if place > size:
                raise BadInput(f"not a valid guest state file: {path} is cut off")
            if kind == _END:
                return place
            if kind not in _KINDS[what] and not kind & _OPTIONAL:
                raise _damaged(path, f"{what} record {kind:#x}")
            if what == "libxl" and kind == _LIBXC:
                marker, ident, _, options, _, _ = take(_LIBXC_START, place)
                if marker != _LIBXC_MARKER or ident != _LIBXC_IDENT or options & 1:
                    raise _damaged(path, "no image of memory")
                place = records(place + _LIBXC_START.size + _LIBXC_DOMAIN, "libxc")

    ident, version, options = take(_LIBXL_START, stream)
    if ident != _LIBXL_IDENT or version != _LIBXL_VERSION or options:
        raise _damaged(path, "no stream of libxl's")
    return records(stream + _LIBXL_START.size, "libxl") - stream


def _damaged(path: str, why: str) -> BadInput:
    return BadInput(f"not a valid guest state file: {path} is damaged", hint=why)


def _configs(theirs: bytes, ours: bytes, path: str) -> tuple[DomainConfig, Document]:
    was: Document = {}
    try:
        was = present(msgspec.json.decode(theirs))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, TypeError):
        pass  # a configuration file in its own words, which xl may have been given
    try:
        if ours.startswith(_OUR_MARK):
            return msgspec.json.decode(ours.removeprefix(_OUR_MARK), type=DomainConfig), was
        return read_config(theirs, path), was
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DomusError) as error:
        raise BadInput("not a valid guest state file: config parse", hint=f"{path}: {error}") from None


def read_config(text: bytes, where: str) -> DomainConfig:
    """A DomainConfig from libxl's JSON, or from a configuration file that xl kept.

    Raises:
        ConfigError: it is none.
    """
    decoded = text.decode("utf-8", "replace")
    if decoded.lstrip().startswith("{"):
        from domus.config.libxl_json import read_json  # heavy, and only restoring needs it
        from domus.config.problems import Report, Source

        return read_json(Report(Source(where, decoded)))
    from domus.config.loading import load_text

    return load_text(decoded, source_name=where).config


def _foreign(head: bytes, path: str) -> BadInput:
    found = head[: len(OLD_MAGIC)].decode("ascii", "replace")
    shown = "".join(character if character.isprintable() else "?" for character in found)
    hint = f"{path} is empty or cut off" if len(head) < _HEADER.size else path
    if head.startswith(OLD_MAGIC):
        hint = f"{path}: the xend of Xen 4.4 and before wrote it, whose streams today's Xen cannot read"
    return BadInput(f"not a valid guest state file: found '{shown}'", hint=hint)


def as_configured(document: Document) -> Document:
    """A running domain's document with image files for our loop devices, and without NO_SCRIPT."""
    return document | {
        "disks": [_diskas_configured(disk) for disk in document.get("disks", ())],
        "nics": [_without_script(nic) for nic in document.get("nics", ())],
    }


def _diskas_configured(disk: Document) -> Document:
    if disk.get("script") != NO_SCRIPT:
        return disk
    file = loop.backing_file(disk.get("pdev_path") or "")
    return _without_script(disk) | ({"pdev_path": file} if file else {})


def _without_script(device: Document) -> Document:
    if device.get("script") != NO_SCRIPT:
        return device
    return {key: value for key, value in device.items() if key != "script"}
