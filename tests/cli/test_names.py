"""Every subcommand that xm or xl ever had is known here, and answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domus.cli.command import Command
from domus.cli.declared import ALIASES, everything, find
from domus.cli.main import main


def _lists() -> dict[str, set[str]]:
    lists: dict[str, set[str]] = {}
    names: set[str] = set()
    for line in (Path(__file__).parent / "names").read_text().splitlines()[1:]:
        if line.startswith("# "):
            names = lists.setdefault(line[2:].partition(":")[0], set())
        else:
            names |= set(line.split())
    return lists


LISTS = _lists()
BY_NAME = {command.name: command for command in everything()}
NOT_HERE = sorted(name for name, command in BY_NAME.items() if not command.is_here)


def test_the_lists_are_as_long_as_the_tables_that_they_come_from() -> None:
    assert {name: len(names) for name, names in LISTS.items()} == {
        "xm": 103,  # "help" was in no table, and always there
        "older": 7,
        "aliases": 15,
        "xl": 97,
    }


def test_every_name_of_xm_and_xl_is_declared_with_its_origin() -> None:
    of_xm = LISTS["xm"] | LISTS["older"]
    assert {name for name, command in BY_NAME.items() if command.origin == "xm"} == of_xm
    assert {name for name, command in BY_NAME.items() if command.origin == "xl"} == LISTS["xl"] - of_xm
    assert set(ALIASES) == LISTS["aliases"]
    assert {command.origin for command in BY_NAME.values()} == {"xm", "xl", "domus"}


@pytest.mark.parametrize("name", sorted(LISTS["aliases"]))
def test_an_alias_runs_what_it_stands_for(name: str) -> None:
    command = find(name)
    assert command is not None and command.is_here


@pytest.mark.parametrize("name", NOT_HERE)
def test_what_is_not_here_says_so_in_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "x", "y"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        rf"Error: 'xm {name}' (is not part of this version yet|is not available: .+\.)\n", err
    )


#: what they print is theirs to shape: text of a program or a guest, or nothing but what a person reads
NO_DOCUMENT = {"dmesg", "log", "help", "schema"}


def _lists_or_shows(command: Command) -> bool:
    return command.is_here and bool(re.match(r"(List|Show|Print) (?!whether)", command.sentence))


def test_everything_that_lists_or_shows_prints_json_too() -> None:
    without = {
        command.name
        for command in everything()
        if _lists_or_shows(command) and "json" not in {option.word for option in command.options}
    }
    assert without - NO_DOCUMENT == set(), without


@pytest.mark.parametrize("name", ["block-list", "network-list", "pci-list", "vtpm-list"])
def test_device_lists_say_what_is_missing_on_standard_output(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        ([], "No domain parameter given"),
        (["a", "b"], "No multiple domain parameters allowed"),
    ):
        assert main([name, *words]) == 1
        out, err = capsys.readouterr()
        assert (out.splitlines()[0], err) == (said, "")
