"""Settings as the text of a xend.toml."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from domus.config.settings.table import SETTINGS, Value


def written(values: Mapping[str, Value], *, explained: bool = False) -> str:
    """A xend.toml with these values, by key, in the order of the table.

    Args:
        explained: with the meaning of each above it; settings without a value stand there as comments.
    """
    shown = [setting for setting in SETTINGS.values() if explained or setting.key in values]
    parts = []
    for table, members in groupby(shown, key=lambda setting: setting.key.partition(".")[0]):
        lines = [f"[{table}]"]
        for setting in members:
            name = setting.key.partition(".")[2]
            if explained:
                lines += [f"# {setting.help}"]
            mark = "" if setting.key in values else "# "
            lines.append(f"{mark}{name} = {_value(values.get(setting.key, setting.default))}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _value(value: Value) -> str:
    import json

    # JSON's strings are TOML's basic strings but for DEL, which is escaped by hand; so are true and false.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
