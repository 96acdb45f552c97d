"""Kinds of values that are texts: any, one of a few words, lists of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from domus.config.parameters.kind import Invalid, Kind, Removed, Value, shown
from domus.config.suggestions import did_you_mean
from domus.model import firewall
from domus.model.errors import BadInput
from domus.model.names import check_domain_name


class Text(Kind):
    """A string; "" means absent."""

    forms = "text in quotes"
    hint = "TEXT"

    def __init__(self, hint: str = "TEXT", *, empty_counts: bool = False) -> None:
        self.hint = hint
        self.empty_counts = empty_counts  #: "" is a value of its own

    def read(self, value: Value) -> str | None:
        """The model's value."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        text = str(value)
        if "\0" in text:
            raise Invalid("a text cannot contain a NUL character")
        return text if text or self.empty_counts else None

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"type": "string"}


class Choice(Kind):
    """One of a few words, in any case; some have old spellings, numbers among them."""

    def __init__(
        self,
        *words: str,
        also: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
        removed: Mapping[str, str] | None = None,
    ) -> None:
        self.words = words
        self.also = dict(also or {})
        self.json = dict(json or {})
        self.removed = dict(removed or {})
        self.forms = "one of " + ", ".join(words)
        self.hint = "|".join(words)

    def read(self, value: Value) -> str | None:
        """The model's value."""
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        word = str(value).strip().lower()
        if not word:
            return None
        word = self.also.get(word, word)
        if word in self.removed:
            raise Removed(f"{word} was removed from Xen; ignored", self.removed[word])
        if word not in self.words:
            raise Invalid(f"expected {self.forms}, not {shown(value)}", did_you_mean(word, self.words))
        return word

    def to_json(self, value: str) -> str:
        """libxl's value."""
        return self.json.get(value, value)

    def from_json(self, value: Value) -> str | None:
        """The model's value for libxl's."""
        spelled = {theirs: ours for ours, theirs in self.json.items()}
        if not isinstance(value, str):
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        return self.read(spelled.get(value.lower(), value))

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"type": "string", "enum": list(self.words)}


class Names(Kind):
    """Names of domains, in one text with blanks or commas between them, or in a list."""

    forms = "names of domains"
    hint = "'NAME ...'"

    def read(self, value: Value) -> tuple[str, ...]:
        """The model's value, each name once."""
        items = re.split(r"[\s,]+", value) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        names = []
        for item in items:
            if isinstance(item, bool) or not isinstance(item, str | int):
                raise Invalid(f"expected {self.forms}, not {shown(item)}")
            try:
                names += [check_domain_name(str(item))] if str(item) else []
            except BadInput as error:
                raise Invalid(error.what) from None
        return tuple(dict.fromkeys(names))

    def write(self, value: tuple[str, ...]) -> str:
        """The file's value: one text, which every language has a place for."""
        return " ".join(value)

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


class Texts(Kind):
    """A list of strings; one string is a list of one."""

    forms = "a list of texts"
    hint = "['TEXT', ...]"

    def __init__(self, *, split: bool = False, hint: str = "['TEXT', ...]") -> None:
        self.split = split  #: a single text is split at blanks
        self.hint = hint

    def read(self, value: Value) -> tuple[str, ...]:
        """The model's value."""
        if isinstance(value, str):
            if self.split:
                import shlex

                try:
                    return tuple(shlex.split(value))
                except ValueError as error:
                    raise Invalid(f"unbalanced quotes: {error}") from None
            return (value,) if value else ()
        if not isinstance(value, list | tuple):
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        for index, item in enumerate(value):
            if isinstance(item, bool) or not isinstance(item, str | int):
                raise Invalid(f"item {index} must be a text, not {shown(item)}")
        return tuple(str(item) for item in value)

    def write(self, value: tuple[str, ...]) -> list[str]:
        """The file's value."""
        return list(value)

    def to_json(self, value: tuple[str, ...]) -> list[str]:
        """libxl's value."""
        return list(value)

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"type": "array", "items": {"type": "string"}}


class Anything(Kind):
    """A value that a reader of its own understands (see `domus.config.reading`)."""

    forms = "a list of texts"

    def __init__(self, hint: str, *, schema: dict[str, Value] | None = None) -> None:
        self.hint = hint
        self._schema = schema or {"type": "array", "items": {"type": "string"}}

    def read(self, value: Value) -> Value:
        """The model's value."""
        return value

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return self._schema


class Rules(Kind):
    """Rules of a firewall, in a list, or in one text with `;` between them."""

    forms = "a list of rules"
    hint = "['allow in tcp 22', 'deny in']"

    def read(self, value: Value) -> tuple[str, ...]:
        """The model's value, each rule as it is usually written."""
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        try:
            rules = firewall.parse_all(rule for item in items for rule in firewall.split(str(item)))
        except BadInput as error:
            raise Invalid(error.what, error.hint) from None
        return tuple(map(str, rules))

    def write(self, value: tuple[str, ...]) -> str:
        """The file's value: one text, which every language has a place for."""
        return "; ".join(value)

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
