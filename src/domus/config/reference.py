"""What the table of parameters says: `--help_config`, the manual page, the JSON schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from domus.config.parameters import TABLE, Parameter


def help_config() -> str:
    """The text of `xm create --help_config`, in xm's layout: names in 21 columns, text in 55."""
    lines = ["", "Values:", ""]
    for parameter in TABLE.values():
        name = f"{parameter.name}={parameter.kind.hint}"
        text = textwrap.wrap(sentence(parameter), 55) or [""]
        if len(name) > 20:
            lines.append(name)
        else:
            lines.append(f"{name:<21}{text.pop(0)}")
        lines.extend(" " * 21 + line for line in text)
    return "\n".join([*lines, ""]) + "\n"


def sentence(parameter: Parameter) -> str:
    """What it means, with its default and what became of it."""
    parts = [parameter.help]
    if parameter.gone:
        parts.append(f"Ignored: {parameter.gone}.")
    if parameter.instead:
        parts.append(f"Today: {parameter.instead}.")
    if parameter.default:
        parts.append(f"Default: {parameter.default}.")
    if parameter.guests:
        parts.append(f"For {parameter.guests.upper().replace(' ', ' and ')} guests.")
    return " ".join(parts)


def manual() -> str:
    """The table of all parameters in Markdown, as docs/configuration-parameters.md has it."""
    lines = [
        "# Parameters of configuration files",
        "",
        "Made from the table in `domus.config.parameters`; a test fails when this file is stale.",
        "*xm* and *xl* say who knows it (xl: since which release); both are read in either language.",
        "",
        "| name | value | meaning | default | guests | xm | xl |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(parameter) for parameter in sorted(TABLE.values(), key=lambda parameter: parameter.name)),
    ]
    return "\n".join(lines) + "\n"


def _row(parameter: Parameter) -> str:
    help = parameter.help
    if parameter.gone:
        help = f"*Ignored*: {parameter.gone}."
    if parameter.instead:
        help += f" Today: {parameter.instead}."
    cells: Iterable[str] = (
        f"`{parameter.name}`",
        f"`{parameter.kind.hint}`",
        help,
        parameter.default,
        parameter.guests,
        parameter.xm,
        parameter.xl,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def json_schema() -> dict[str, Any]:
    """A JSON schema of a configuration file's variables, as `xm schema` prints it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Variables of a Xen domain's configuration file",
        "type": "object",
        "properties": {
            parameter.name: {
                **parameter.kind.schema(),
                "description": sentence(parameter),
                **({"deprecated": True} if parameter.gone or parameter.instead else {}),
            }
            for parameter in TABLE.values()
        },
        "additionalProperties": False,
    }


if __name__ == "__main__":
    print(manual(), end="")
