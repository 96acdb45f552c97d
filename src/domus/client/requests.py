"""The head of a request. Light: it is on its way before the rest of `xm` is imported (`domus.cli.early`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str) -> str:
    """`text` as one segment of a path, or one value of a query (RFC 3986, 2.3)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def head(method: str, target: str, *, host: str, headers: Mapping[str, str] | None = None) -> bytes:
    """What is sent before the body (RFC 9112, 2.1).

    Raises:
        ValueError: something in it, such as a line break, cannot stand in the head of a request.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if not all(line.isascii() and line.isprintable() for line in lines) or " " in target:
        raise ValueError(f"not a request: {method} {target!r}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
