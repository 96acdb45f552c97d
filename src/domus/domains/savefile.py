"""Files of saved domains: xl's own format, so that each tool reads the other's files.

A header of 48 bytes, then "optional data", then libxl's stream. The optional data are the domain's
configuration as libxl's JSON; what follows it in there is not looked at by xl, and holds ours: the
configuration as it was asked for, which says more.

Source: tools/xl/xl.h (struct save_file_header) and tools/xl/xl_saverestore.c of Xen 4.17 to 4.20.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from domus.devices.backends import NO_SCRIPT
from domus.model.config import DomainConfig
from domus.model.errors import BadInput, DomusError, NotFound
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


class Saved(NamedTuple):
    """What the head of a file says."""

    config: DomainConfig
    present: Document  #: members of b_info as they were at that moment
    stream: int  #: offset of libxl's stream


def header(document: Document, config: DomainConfig) -> bytes:
    """The head of a file.

    Args:
        document: libxl_domain_config of the running domain, as libxl tells it.
        config: what it was made from.
    """
    theirs = msgspec.json.encode(as_configured(document)) + b"\0"
    optional = _LENGTH.pack(len(theirs)) + theirs + _OUR_MARK + msgspec.json.encode(config)
    return _HEADER.pack(MAGIC, _BYTE_ORDER, _JSON | _STREAM_V2, 0, len(optional)) + optional


def read(path: str) -> Saved:
    """The head of a file of ours or of xl's.

    Raises:
        NotFound, BadInput: there is none, or it cannot be read, or it is something else.
    """
    descriptor = open_for_reading(path)
    try:
        return parse(descriptor, path)
    finally:
        os.close(descriptor)


def open_for_reading(path: str) -> int:
    """A descriptor of the file.

    Raises:
        NotFound, BadInput: there is none, or it is no regular file.
    """
    if not path.startswith("/"):
        raise BadInput(f"the path of a saved domain is absolute, not {path[:80]!r}")
    try:
        # O_NONBLOCK: a FIFO must not keep us waiting for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        kind = NotFound if isinstance(error, FileNotFoundError) else BadInput
        raise kind(f"can't read guest state file {path}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadInput(f"can't read guest state file {path}: not a regular file")
    return descriptor


def parse(descriptor: int, path: str) -> Saved:
    """The head of an open file.

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
    config, present = _configs(theirs.rstrip(b"\0"), ours, path)
    return Saved(config, present, _HEADER.size + length)


def _configs(theirs: bytes, ours: bytes, path: str) -> tuple[DomainConfig, Document]:
    present: Document = {}
    try:
        build = msgspec.json.decode(theirs).get("b_info", {})
        present = {key: build[key] for key in _PRESENT if key in build}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, TypeError):
        pass  # a configuration file in its own words, which xl may have been given
    try:
        if ours.startswith(_OUR_MARK):
            return msgspec.json.decode(ours.removeprefix(_OUR_MARK), type=DomainConfig), present
        return read_config(theirs, path), present
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


def present(document: Document) -> Document:
    """What of a running domain's b_info is as it is now, not as it was configured."""
    build = document.get("b_info", {})
    return {key: build[key] for key in _PRESENT if key in build}


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


def check_destination(path: str) -> Path:
    """Where a file shall be written.

    Raises:
        BadInput, NotFound: it is not absolute, a directory, or its directory is not there.
    """
    if not path.startswith("/"):
        raise BadInput(f"the path of a file on the host is absolute, not {path[:80]!r}")
    destination = Path(path)
    if destination.is_dir():
        raise BadInput(f"can't write guest state file {path}: Is a directory")
    if not destination.parent.is_dir():
        raise NotFound(f"can't write guest state file {path}: there is no directory {destination.parent}")
    return destination
