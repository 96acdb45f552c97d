"""The Markdown that the manual is written in: headings, paragraphs, lists, definitions, tables, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_HEADING: Final = re.compile(r"(#{1,3}) (.+)")
_ITEM: Final = re.compile(r"(\*|[0-9]+\.) +(.*)")
_SEPARATOR: Final = re.compile(r"[|: -]+")


class Heading(NamedTuple):
    """A title; level 1 is the page's."""

    level: int
    text: str


class Paragraph(NamedTuple):
    """Text of a paragraph, in one line."""

    text: str


class Item(NamedTuple):
    """A point of a list; `mark` is "*" or a number with its dot."""

    mark: str
    text: str


class Definition(NamedTuple):
    """A term, such as an option, and what it means."""

    term: str
    text: str


class Table(NamedTuple):
    """Cells by row; the first row has the titles."""

    rows: tuple[tuple[str, ...], ...]


class Code(NamedTuple):
    """Lines that stay as they are."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Item | Definition | Table | Code


def parse(text: str) -> list[Block]:
    """The blocks of a page."""
    return [block for group in _groups(text) for block in _blocks(group)]


def _groups(text: str) -> Iterator[list[str]]:
    """Lines that belong together: those without an empty line between them, and whole pieces of code."""
    group: list[str] = []
    for line in text.splitlines():
        code = line.startswith("    ") and not (group and _holds_text(group))
        was_code = bool(group) and group[0].startswith("    ")
        if not line.strip() or (group and code != was_code):
            if group and not (was_code and not line.strip()):
                yield group
                group = []
            if not line.strip():
                if group:
                    group.append("")
                continue
        group.append(line)
    if group:
        yield group


def _holds_text(group: list[str]) -> bool:
    return not group[0].startswith("    ")


def _blocks(lines: list[str]) -> Iterator[Block]:
    first = lines[0]
    if first.startswith("    "):
        while lines and not lines[-1].strip():
            lines.pop()
        yield Code(tuple(line[4:] for line in lines))
    elif heading := _HEADING.fullmatch(first):
        yield Heading(len(heading[1]), heading[2].strip())
        if lines[1:]:
            yield from _blocks(lines[1:])
    elif first.startswith("|"):
        rows = [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]
        yield Table(tuple(row for row in rows if not all(_SEPARATOR.fullmatch(cell) for cell in row)))
    elif len(lines) > 1 and lines[1].startswith(":"):
        yield Definition(first, _joined([lines[1][1:], *lines[2:]]))
    elif _ITEM.match(first):
        yield from _items(lines)
    else:
        yield Paragraph(_joined(lines))


def _items(lines: list[str]) -> Iterator[Item]:
    mark, words = "", [""]
    for line in lines:
        matched = _ITEM.match(line)
        if matched is None:
            words.append(line)
            continue
        if mark:
            yield Item(mark, _joined(words))
        mark, words = matched[1], [matched[2]]
    yield Item(mark, _joined(words))


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)


class Span(NamedTuple):
    """A piece of text in one style: "", "code", "bold" or "emphasis"."""

    text: str
    style: str


_INLINE: Final = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\*(?P<emphasis>[^*\s][^*]*)\*|\[(?P<link>[^\]]+)\]\([^)]*\)"
)


def spans(text: str) -> list[Span]:
    """The styles within a text. A bare star, as in `xm li*`, is itself."""
    found: list[Span] = []
    at = 0
    for matched in _INLINE.finditer(text):
        if matched.start() > at:
            found.append(Span(text[at : matched.start()], ""))
        kind = matched.lastgroup or ""
        found.append(Span(matched[kind], "" if kind == "link" else kind))
        at = matched.end()
    if at < len(text):
        found.append(Span(text[at:], ""))
    return found


def bare(text: str) -> str:
    """The text without its marks."""
    return "".join(span.text for span in spans(text))
