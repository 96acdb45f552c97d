"""Blocks as roff with the macros of man(7), which groff and mandoc both read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from domus.cli.manual.markdown import (
    Block,
    Code,
    Definition,
    Heading,
    Item,
    Paragraph,
    Table,
    bare,
    spans,
)

_FONTS: Final = {"code": "B", "bold": "B", "emphasis": "I"}


def page(blocks: Sequence[Block], *, name: str, section: int, version: str) -> str:
    """The whole page; it has no date, so that the same sources always make the same page."""
    lines = [
        f'.\\" Made by scripts/manuals from the declarations of Domus; do not edit.',  # noqa: F541
        f'.TH {name.upper()} {section} "" "Domus {version}" "Domus"',
        ".nh",
        ".ad l",
    ]
    for block in blocks:
        lines += _block(block)
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(1):
            return
        case Heading(level, text):
            yield f'.{"SH" if level == 2 else "SS"} "{_quoted(bare(text))}"'
        case Paragraph(text):
            yield ".PP"
            yield _line(text)
        case Item(mark, text):
            yield ".IP \\(bu 3" if mark == "*" else f".IP {mark} 4"
            yield _line(text)
        case Definition(term, text):
            yield ".TP"
            yield _line(term)
            yield _line(text)
        case Table(rows):
            for row in rows[1:]:
                yield ".TP"
                yield _line(row[0]) or "\\&"
                yield _line("; ".join(cell for cell in row[1:] if cell)) or "\\&"
        case Code(lines):
            yield ".PP"
            yield ".RS 4"
            yield ".EX"
            yield from (_safe(_escaped(line)) for line in lines)
            yield ".EE"
            yield ".RE"


def _line(text: str) -> str:
    parts = []
    for span in spans(text):
        font = _FONTS.get(span.style)
        escaped = _escaped(span.text)
        if span.style == "code":
            escaped = escaped.replace("-", "\\-")
        parts.append(f"\\f{font}{escaped}\\fR" if font else escaped)
    return _safe("".join(parts))


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("—", "\\-")  # man-db wants "name \- what it is"
    return "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in escaped)


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', "\\(dq")


def _safe(line: str) -> str:
    """A line that begins with a dot or an apostrophe is no request."""
    return re.sub(r"^([.'])", r"\\&\1", line)
