"""Numbers, and yes or no."""

from __future__ import annotations

from typing import Final

from domus.config.parameters.kind import Invalid, Kind, Value, shown

TRUE_WORDS: Final = frozenset({"yes", "y", "true", "on"})
FALSE_WORDS: Final = frozenset({"no", "n", "false", "off"})


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


class Seconds(Kind):
    """A time, with or without a fraction."""

    hint = "SECONDS"

    def __init__(self, most: float) -> None:
        self.most = most
        self.forms = f"seconds, 0 to {most:g}"

    def read(self, value: Value) -> float | None:
        """The model's value."""
        if isinstance(value, str) and not value.strip():
            return None
        try:
            seconds = -1.0 if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            seconds = -1.0
        if not 0 <= seconds <= self.most:
            raise Invalid(f"expected {self.forms}, not {shown(value)}")
        return seconds

    def write(self, value: float) -> Value:
        """The file's value."""
        return int(value) if value == int(value) else value

    def schema(self) -> dict[str, Value]:
        """The JSON schema."""
        return {"type": "number", "minimum": 0, "maximum": self.most}
