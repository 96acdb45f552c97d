"""Rewrites what Python 2 spelled otherwise, word by word and line by line, so that places stay true.

`print x`, `0755`, `10L`, backquotes, `<>`, `except E, e:`, `raise E, "text"`, `exec code`, tabs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_WORD: Final = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>(?:[uUbB]?[rR]?)(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''
            |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
      | (?P<number>0[xX][0-9a-fA-F]+[lL]?|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?[lLjJ]?)
      | (?P<name>[^\W\d]\w*)
      | (?P<newline>\n)
      | (?P<blank>(?:[ \t]|\\\n)+)
      | (?P<sign><>|>>|==|!=|<=|>=|\*\*|//|[-+*/%&|^]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_OPENING: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Word(NamedTuple):
    """A word of the text and its kind."""

    kind: str
    text: str


def to_python3(text: str) -> str:
    """The same program in today's spelling; lines stay where they are."""
    words = list(_words(_without_tabs(text)))
    lines: list[list[Word]] = []
    for statement in _statements(words):
        lines.append(_statement(statement))
    return "".join(word.text for line in lines for word in line)


def _without_tabs(text: str) -> str:
    """Python 2 took a tab in the indentation as going on to the next multiple of 8."""
    return re.sub(r"(?m)^[ \t]+", lambda match: match[0].expandtabs(8), text)


def _words(text: str) -> Iterator[Word]:
    for match in _WORD.finditer(text):
        yield Word(match.lastgroup or "sign", match[0])


def _statements(words: list[Word]) -> Iterator[list[Word]]:
    """Words up to the end of each simple statement or block header, that end included."""
    statement: list[Word] = []
    depth = lambdas = 0
    for word in words:
        statement.append(word)
        if word.kind == "sign":
            depth = max(0, depth + _OPENING.get(word.text, 0))
        elif word.kind == "name" and word.text == "lambda":
            lambdas += 1
        ends = word.kind == "newline" or word.text == ";"
        if word.kind == "sign" and word.text == ":" and depth == 0:
            ends = lambdas == 0
            lambdas = max(0, lambdas - 1)
        if ends and depth == 0:
            yield statement
            statement = []
            lambdas = 0
    if statement:
        yield statement


def _statement(statement: list[Word]) -> list[Word]:
    words = _spelled(statement)
    start = next(
        (i for i, word in enumerate(words) if word.kind not in ("blank", "newline", "comment")), None
    )
    if start is None:
        return words
    end = len(words)
    while end > start and (
        words[end - 1].kind in ("newline", "comment", "blank") or words[end - 1].text in ";:"
    ):
        end -= 1
    head, body, tail = words[:start], words[start:end], words[end:]
    first = body[0].text if body else ""
    after = next((word.text for word in body[1:] if word.kind != "blank"), "")
    if first == "print" and after not in ("=", ".", "["):
        body = _print(body)
    elif first == "raise":
        body = _raise(body)
    elif first == "except":
        body = _except(body)
    elif first == "exec" and after != "(":
        body = [Word("name", "exec"), Word("sign", "("), *body[1:], Word("sign", ")")]
        body = [Word("sign", ",") if word == Word("name", "in") else word for word in body]
    return [*head, *body, *tail]


def _spelled(statement: list[Word]) -> list[Word]:
    """Numbers, strings, signs and backquotes in today's spelling."""
    words: list[Word] = []
    inside = False
    for word in statement:
        kind, text = word
        if kind == "number":
            text = text.rstrip("lL")
            if re.fullmatch(r"0[0-7]+", text):
                text = f"0o{text[1:]}"
        elif kind == "string" and text[:2].lower() == "ur":
            text = text[1:]
        elif text == "<>":
            text = "!="
        elif text == "`":
            text = ")" if inside else "repr("
            inside = not inside
        words.append(Word(kind, text))
    return words


def _commas(words: list[Word]) -> list[int]:
    """Where the commas outside of brackets are."""
    found, depth = [], 0
    for index, word in enumerate(words):
        depth += _OPENING.get(word.text, 0) if word.kind == "sign" else 0
        depth += word.text == "repr("
        if word.text == "," and depth == 0:
            found.append(index)
    return found


def _print(body: list[Word]) -> list[Word]:
    rest = body[1:]
    while rest and rest[0].kind == "blank":
        rest = rest[1:]
    stream: list[Word] = []
    if rest and rest[0].text == ">>":
        commas = _commas(rest)
        end = commas[0] if commas else len(rest)
        stream, rest = rest[1:end], rest[end + 1 :]
    while rest and (rest[-1].kind == "blank" or rest[-1].text == ","):
        rest = rest[:-1]
    file = (
        [Word("sign", ", file="), *stream]
        if stream and rest
        else [Word("name", "file="), *stream]
        if stream
        else []
    )
    return [Word("name", "print"), Word("sign", "("), *rest, *file, Word("sign", ")")]


def _raise(body: list[Word]) -> list[Word]:
    commas = _commas(body)
    if not commas:
        return body
    end = commas[1] if len(commas) > 1 else len(body)
    return [*body[: commas[0]], Word("sign", "("), *body[commas[0] + 1 : end], Word("sign", ")")]


def _except(body: list[Word]) -> list[Word]:
    commas = _commas(body)
    if not commas:
        return body
    return [*body[: commas[0]], Word("name", " as"), *body[commas[0] + 1 :]]
