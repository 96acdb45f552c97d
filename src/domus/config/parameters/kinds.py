"""Kinds of values: how a file may write them, what the model holds, how libxl's JSON spells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domus.config.suggestions import did_you_mean

Value = Any

TRUE_WORDS: Final = frozenset({"yes", "y", "true", "on"})
FALSE_WORDS: Final = frozenset({"no", "n", "false", "off"})


class Invalid(Exception):
    """A value does not fit; the text says what was expected, the hint how to write it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Removed(Invalid):
    """The value was removed from Xen: it is said, and passed over."""


class Kind:
    """How one sort of value is read, written and compiled."""

    forms = ""  #: the accepted forms, in words
    hint = "VAL"  #: what stands for the value in `--help_config`

    def read(self, value: Value) -> Value:
        """The model's value for a file's.

        Raises:
            Invalid: it does not fit.
        """
        raise NotImplementedError

    def write(self, value: Value) -> Value:
        """The file's value for the model's; `read` gives it back."""
        return value

    def to_json(self, value: Value) -> Value:
        """libxl's value for the model's."""
        return value

    def from_json(self, value: Value) -> Value:
        """The model's value for libxl's.

        Raises:
            Invalid: it is of another type.
        """
        return self.read(value)

    def schema(self) -> dict[str, Value]:
        """The JSON schema of the values that `read` takes."""
        raise NotImplementedError


def shown(value: Value) -> str:
    """A value as it is quoted in messages."""
    written = (
        repr(value) if isinstance(value, str | int | float | list | tuple | dict) else type(value).__name__
    )
    return written if len(written) <= 60 else f"{written[:57]}..."


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


class Whole(Kind):
    """A whole number within bounds; text is read as xm and xl did (decimal, 0x hexadecimal)."""

    hint = "NUM"

    def __init__(
        self,
        least: int = 0,
        most: int = (1 << 31) - 1,
        *,
        unit: str = "",
        scale: int = 1,
        unset: int | None = None,
    ) -> None:
        self.least = least
        self.most = most
        self.unit = unit
        self.scale = scale  #: libxl's unit is this many times smaller
        self.unset = unset  #: the number that means "not given"
        self.hint = unit or "NUM"
        of_unit = f" of {unit}" if unit else ""
        self.forms = (
            f"a whole number{of_unit}, {least} to {most}" if most < 1 << 31 else f"a whole number{of_unit}"
        )

    def read(self, value: Value) -> int | None:
        """The model's value."""
        number = whole(value)
        if number is None and isinstance(value, str) and not value.strip():
            return None
        if number is None:
            raise Invalid(f"expected {self.forms}, not {shown(value)}", self._advice(value))
        if number == self.unset:
            return None
        if number < self.least:
            raise Invalid(f"{number} is too small", f"{self.forms}")
        if number > self.most:
            raise Invalid(
                f"{number} is too large" if number < 1 << 64 else "the number is too large", self.forms
            )
        return number

    def _advice(self, value: Value) -> str:
        if isinstance(value, str) and self.unit == "MiB":
            return memory_advice(value)
        if isinstance(value, float):
            return "write int(...) around the computation"
        return ""

    def to_json(self, value: int) -> int:
        """libxl's value."""
        # A negative number travels as its unsigned form.
        return (value + (1 << 32) if value < 0 else value) * self.scale

    def from_json(self, value: Value) -> int | None:
        """The model's value for libxl's."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise Invalid(f"expected a whole number, not {shown(value)}")
        number = int(value)
        if self.least < 0 and number >= 1 << 31:
            number -= 1 << 32
        return -(-number // self.scale)

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


def whole(value: Value) -> int | None:
    """A whole number in any spelling that files use; None: it is not one."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value.strip()[:30]
        for base in (10, 0):
            try:
                return int(text, base) if text.isascii() else None
            except ValueError:
                continue
    return None


def memory_advice(text: str) -> str:
    """What `512M` or `2 GB` is in MiB."""
    digits = text.strip().rstrip("iIbB").strip()
    factors = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
    if (
        len(digits) > 1
        and digits[-1].lower() in factors
        and digits[:-1].strip().isdecimal()
        and len(digits) < 12
    ):
        amount = int(digits[:-1]) * factors[digits[-1].lower()]
        if amount == int(amount) and amount > 0:
            return f"write {int(amount)}: the unit is MiB"
    return "the unit is MiB"


class Flag(Kind):
    """Yes or no, as 0 or 1, a number, or a word."""

    forms = "0 or 1 (or yes, no, true, false, on, off)"
    hint = "yes|no"

    def __init__(self, *, json_bool: bool = False) -> None:
        self.json_bool = json_bool  #: libxl has a bool there instead of a defbool

    def read(self, value: Value) -> bool | None:
        """The model's value."""
        if isinstance(value, bool | int):
            return bool(value)
        if isinstance(value, float) and value.is_integer():
            return bool(value)
        if isinstance(value, str):
            word = value.strip().lower()
            if not word:
                return None
            if word in TRUE_WORDS or word in FALSE_WORDS:
                return word in TRUE_WORDS
            number = whole(word)
            if number is not None:
                return bool(number)
        raise Invalid(f"expected {self.forms}, not {shown(value)}")

    def write(self, value: bool) -> int:
        """The file's value."""
        return int(value)

    def to_json(self, value: bool) -> Value:
        """libxl's value."""
        # A libxl_defbool is the string "True" or "False"; a JSON bool in its place is ignored.
        return value if self.json_bool else str(value)

    def from_json(self, value: Value) -> bool | None:
        """The model's value for libxl's."""
        if self.json_bool:
            if isinstance(value, bool):
                return value
        elif isinstance(value, str):
            for word, meaning in (("True", True), ("False", False), ("<default>", None)):
                if value.startswith(word):
                    return meaning
        expected = "true or false" if self.json_bool else '"True" or "False" as a string'
        raise Invalid(f"expected {expected}, not {shown(value)}")

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"oneOf": [{"type": "boolean"}, {"type": "integer"}]}


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
