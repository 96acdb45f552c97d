"""What every kind of value can do: be read from a file, be written, become libxl's JSON."""

from __future__ import annotations

from typing import Any

Value = Any


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
