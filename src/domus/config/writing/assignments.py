"""Writes xm files and xl.cfg: plain assignments, a line each, lists over several."""

from __future__ import annotations

from typing import Any

from domus.config.writing import Written
from domus.config.writing.variables import Variables, to_variables
from domus.model.config import DomainConfig


def write_xm(config: DomainConfig) -> Written:
    """An xm file."""
    return _written(to_variables(config, "xm"))


def write_xl(config: DomainConfig) -> Written:
    """xl.cfg."""
    return _written(to_variables(config, "xl"))


def _written(made: Variables) -> Written:
    lines = [f"{name} = {literal(value)}" for name, value in made.values.items()]
    return Written("\n".join(lines) + "\n", tuple(made.losses))


def literal(value: Any, indent: int = 0) -> str:
    """A value as both grammars read it."""
    if isinstance(value, int):
        # xl has no negative numbers, but reads them from texts.
        return str(int(value)) if value >= 0 else f'"{int(value)}"'
    if isinstance(value, list | tuple):
        if len(value) == 1 and not isinstance(value[0], list):
            return f"[ {literal(value[0])} ]"
        blanks = " " * (indent + 4)
        inside = "".join(f"{blanks}{literal(item, indent + 4)},\n" for item in value)
        return f"[\n{inside}{' ' * indent}]"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    escaped = escaped.replace('"', '\\"') if '"' in escaped and "'" in escaped else escaped
    escaped = "".join(c if c.isprintable() or ord(c) > 255 else f"\\x{ord(c):02x}" for c in escaped)
    return f"'{escaped}'" if '"' in text and "'" not in text else f'"{escaped}"'
