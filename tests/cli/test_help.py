"""Help: xm's layout and exit codes."""

from __future__ import annotations

import pytest

from domus.cli import help
from domus.cli.declared import present
from domus.cli.main import main


@pytest.mark.parametrize(
    ("line", "status", "beginning"),
    [
        ("", 1, "The usual subcommands:"),
        ("-h", 0, "All subcommands:"),
        ("--help", 0, "All subcommands:"),
        ("--help list", 0, "All subcommands:"),
        ("help", 0, "All subcommands:"),
        ("help --long", 0, "All subcommands:"),
        ("nosuch -h", 1, "The usual subcommands:"),
    ],
)
def test_lists(capsys: pytest.CaptureFixture[str], line: str, status: int, beginning: str) -> None:
    assert main(line.split()) == status
    out, err = capsys.readouterr()
    title, empty, sentence, empty2, heading, empty3, *_ = out.splitlines()
    assert (title, heading, err) == ("Usage: xm <subcommand> [args]", beginning, "")
    assert (empty, empty2, empty3) == ("", "", "")
    assert sentence


@pytest.mark.parametrize(
    ("line", "status"),
    [("list -h", 1), ("list x --help", 1), ("lis -h", 1), ("help list", 0), ("--host x list -h", 1)],
)
def test_the_usage_of_one_subcommand(capsys: pytest.CaptureFixture[str], line: str, status: int) -> None:
    assert main(line.split()) == status
    assert capsys.readouterr().out.startswith("Usage: xm list [options] [DOM ...]\n\nList domains")


def test_an_unknown_subcommand_is_told_before_the_short_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nosuch"]) == 1
    assert capsys.readouterr() == (help.short(), "Error: Subcommand nosuch not found!\n")


def test_a_usage_has_its_options_in_columns() -> None:
    shutdown = next(command for command in present() if command.name == "shutdown")
    assert help.usage(shutdown) == (
        "Usage: xm shutdown [-a] [-w] [-H|-R] [DOM]\n"
        "\n"
        "Ask a domain to shut down.\n"
        "\n"
        "  -a, --all                      Every running domain but Domain-0.         \n"
        "  -w, --wait                     Wait until they have ended.                \n"
        "  -H, --halt                     Ask for a halt without power off.          \n"
        "  -R, --reboot                   Ask for a reboot.                          \n"
        "\n"
    )


def test_rows_of_the_short_list_are_in_xms_order_with_descriptions_of_fifty_columns() -> None:
    rows = help.short().splitlines()[6:]
    assert rows[0] == " console              Attach to the domain's console; Ctrl-] leaves it. "
    names = [row.split()[0] for row in rows if row[:1] == " " and row[1] != " "]
    assert " ".join(names[:28]) == (
        "console vncviewer create new delete destroy dump-core help list mem-set migrate pause reboot reset"
        " restore resume save shell shutdown start suspend top unpause uptime usb-add usb-del domstate"
        " vcpu-set"
    )


def test_an_over_long_name_pushes_its_description_right() -> None:
    assert " pci-list-assignable-devices List the PCI devices" in help.full()


def test_help_after_a_double_dash_belongs_to_somebody_else() -> None:
    assert not help.is_asked_for(["lab", "shell", "host1", "--", "ls", "-h"])
    assert not help.is_asked_for(["lab", "up", "-h"])
    assert help.is_asked_for(["list", "-h"])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("xm (Domus) ")
