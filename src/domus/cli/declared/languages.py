"""Configuration files: checked, converted, described."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import FORMAT, JSON, LANGUAGES

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="check",
        origin="domus",
        usage="[options] FILE|DIR ... [NAME=VALUE ...]",
        sentence="Check configuration files: every mistake in them, with its place; nothing is created.",
        runs="check:run",
        works="-",
        tested="cli/test_check.py",
        needs_host=False,
        options=(
            Option("", "files", "Look up here the kernels, images and programs that they name."),
            Option("", "path", "Where to look for the files.", value="DIRS"),
            FORMAT,
            JSON,
        ),
    ),
    Command(
        name="convert",
        origin="domus",
        usage="FILE --to=LANG [options] [NAME=VALUE ...]",
        sentence="Write a configuration file in another language.",
        runs="convert:run",
        works="-",
        tested="cli/test_languages.py config/test_languages.py",
        needs_host=False,
        options=(
            Option(
                "",
                "to",
                f"The language to write: {', '.join(LANGUAGES)}.",
                value="LANG",
                choices=LANGUAGES,
            ),
            FORMAT,
            Option("", "path", "Where to look for the file.", value="DIRS"),
            Option("o", "output", "Write into this file, which must not exist.", value="OUT"),
            Option("", "force", "Replace OUT if it exists."),
        ),
    ),
    Command(
        name="schema",
        origin="domus",
        sentence="Print the JSON schema of the variables of configuration files.",
        runs="schema:run",
        works="-",
        tested="config/test_loading.py",
        needs_host=False,
        counts=(0, 0),
    ),
)
