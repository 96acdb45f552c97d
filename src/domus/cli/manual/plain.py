"""Blocks as text for a terminal, or for a file: words wrapped, terms at the left, what they mean below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from domus.cli.colours import painted
from domus.cli.manual.markdown import (
    Block,
    Code,
    Definition,
    Heading,
    Item,
    Paragraph,
    Table,
    bare,
)

if TYPE_CHECKING:
    from typing import TextIO


def text(blocks: Sequence[Block], *, width: int = 80, stream: TextIO | None = None) -> str:
    """The blocks; titles and terms are bold where `stream` is a terminal."""
    lines: list[str] = []
    for block in blocks:
        lines += _block(block, width, stream)
    return "\n".join(lines).strip("\n") + "\n"


def _block(block: Block, width: int, stream: TextIO | None) -> Iterator[str]:
    match block:
        case Heading(_, words):
            yield ""
            yield painted(bare(words), "bold", stream)
        case Paragraph(words):
            yield ""
            yield from textwrap.wrap(bare(words), width)
        case Item(mark, words):
            head = f"{mark:<3}"
            yield from textwrap.wrap(bare(words), width, initial_indent=head, subsequent_indent="   ")
        case Definition(term, words):
            yield ""
            yield f"  {painted(bare(term), 'bold', stream)}"
            yield from _indented(words, width)
        case Table(rows):
            for row in rows[1:]:
                yield ""
                yield f"  {painted(bare(row[0]), 'bold', stream)}"
                yield from _indented("; ".join(cell for cell in row[1:] if cell), width)
        case Code(lines):
            yield ""
            yield from (f"    {line}" for line in lines)


def _indented(words: str, width: int) -> list[str]:
    return textwrap.wrap(bare(words), width, initial_indent=" " * 6, subsequent_indent=" " * 6)
