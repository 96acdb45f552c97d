"""The manual page and the table of subcommands tell the same."""

from __future__ import annotations

from pathlib import Path

import pytest

import domus
from domus.cli.command import Command
from domus.cli.declared import present

MANUAL = (Path(domus.__file__).parent / "man" / "xm.1.md").read_text()


@pytest.mark.parametrize("command", present(), ids=lambda command: command.name)
def test_the_manual_tells_every_subcommand_and_each_option_of_it(command: Command) -> None:
    sections = [
        section for section in MANUAL.split("\n### ") if command.name in section.partition("\n")[0].split()
    ]
    text = "\n".join(sections)
    assert sections
    for option in command.options:
        if not option.later:
            assert f"`-{option.letter}`" in text or not option.letter
            assert f"--{option.word}" in text
