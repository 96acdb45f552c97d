"""Options that several subcommands have."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Option

JSON: Final = Option("", "json", "Print JSON, for programs.", ours=True)
PERSIST: Final = Option("", "persist", "Keep it in the configuration of the managed domain, too.", ours=True)

#: the languages of configuration files
LANGUAGES: Final = ("xm", "xl", "sxp", "json", "xml")

FORMAT: Final = Option(
    "",
    "format",
    f"The file's language: {', '.join(LANGUAGES)}; told by its content by default.",
    value="LANG",
    choices=LANGUAGES,
)
