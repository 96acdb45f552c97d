"""`xm xend-config`: xend's own settings, in the old xend's file and in ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domus.config.settings import SETTINGS, SXP_FILE, TOML_FILE, Read, read, read_sxp, read_toml, written
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.options import Call

_VERBS = ("check", "migrate", "show")


def run(call: Call) -> int:
    """`xm xend-config check|migrate|show [FILE]`."""
    if not call.words or call.words[0] not in _VERBS or len(call.words) > 2:
        raise call.wrong(f"'xm xend-config' does one of: {', '.join(_VERBS)}")
    verb, *files = call.words
    if call.has("json") and verb != "show":
        raise call.wrong("--json is for show")
    file = Path(files[0]) if files else None
    if verb == "migrate":
        return migrate(file)
    found = _read(file)
    _warn(found)
    if verb == "show":
        if call.has("json"):
            from domus.cli.as_json import document

            sys.stdout.write(document(_facts(found)))
        else:
            sys.stdout.write(written(found.values, explained=True))
    elif not found.warnings:
        print(f"{file or 'xend.toml and xend-config.sxp'}: fine")
    return 0


def migrate(file: Path | None) -> int:
    """Print as TOML what an old file says; what it no longer says is told on standard error."""
    path = file or _old_file()
    try:
        text = path.read_text()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    found = read_sxp(text, str(path))
    _warn(found)
    sys.stdout.write(f"# Made from {path} by xm config migrate; it belongs into {TOML_FILE}\n")
    sys.stdout.write("\n" + written(found.values) if found.values else "# (nothing but defaults)\n")
    return 0


def _old_file() -> Path:
    return Path(os.environ.get("XEND_CONFIG") or SXP_FILE)


def _read(file: Path | None) -> Read:
    if file is None:
        return read(TOML_FILE, _old_file())
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "this is not UTF-8"
        raise BadInput(f"cannot be read: {why}", where=str(file)) from error
    # The name tells, else the first character: no TOML begins with a parenthesis.
    is_sxp = file.suffix == ".sxp" or (file.suffix != ".toml" and text.lstrip().startswith("("))
    return read_sxp(text, str(file)) if is_sxp else read_toml(text, str(file))


def _warn(found: Read) -> None:
    for warning in found.warnings:
        print(f"Warning: {warning}", file=sys.stderr)


def _facts(found: Read) -> dict[str, Any]:
    return {
        key: {
            "value": found.values.get(key, setting.default),
            "default": setting.default,
            "from": found.origins.get(key),
            "help": setting.help,
        }
        for key, setting in SETTINGS.items()
    }
