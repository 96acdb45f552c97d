"""Facades of hashlib, md5, sha, zlib and binascii: files make MAC addresses of names with them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Value, kind

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_ALGORITHMS: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def _data(machine: Machine, value: Value) -> bytes:
    """A text as the bytes that it stands for; this costs as much as making it."""
    if not isinstance(value, str):
        raise TypeError(f"a text is needed here, not {kind(value)}")
    machine.budget.text(len(value))
    return value.encode("utf-8", "surrogatepass")


def _digest(algorithm: str) -> Callable[..., Value]:
    def body(machine: Machine, value: Value = "") -> Facade:
        state = hashlib.new(algorithm, _data(machine, value), usedforsecurity=False)

        def update(machine: Machine, value: Value) -> None:
            state.update(_data(machine, value))

        return Facade(
            algorithm,
            functions(update=update, hexdigest=lambda machine: state.hexdigest()),
            {"digest": "use hexdigest()"},
        )

    return body


def hashlib_module(machine: Machine) -> Facade:
    """`hashlib`."""

    def new(machine: Machine, name: Value, value: Value = "") -> Value:
        if name not in _ALGORITHMS:
            raise ValueError(f"there is no digest {str(name)[:20]!r} here")
        return _digest(name)(machine, value)

    return Facade("hashlib", functions(new=new, **{name: _digest(name) for name in _ALGORITHMS}))


def md5_module(machine: Machine) -> Facade:
    """`md5`, as Python 2 had it."""
    return Facade("md5", functions(new=_digest("md5"), md5=_digest("md5")))


def sha_module(machine: Machine) -> Facade:
    """`sha`, as Python 2 had it."""
    return Facade("sha", functions(new=_digest("sha1"), sha=_digest("sha1")))


def _checksum(function: Callable[[bytes, int], int]) -> Callable[..., Value]:
    def body(machine: Machine, value: Value, start: int = 0) -> int:
        return function(_data(machine, value), start & 0xFFFFFFFF)

    return body


def zlib_module(machine: Machine) -> Facade:
    """`zlib`, its checksums."""
    return Facade("zlib", functions(crc32=_checksum(zlib.crc32), adler32=_checksum(zlib.adler32)))


def binascii_module(machine: Machine) -> Facade:
    """`binascii`, as far as it makes texts and numbers of texts."""

    def hexlify(machine: Machine, value: Value) -> str:
        return _data(machine, value).hex()

    return Facade("binascii", functions(crc32=_checksum(zlib.crc32), hexlify=hexlify, b2a_hex=hexlify))
