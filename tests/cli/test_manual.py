"""The manual: made from the declarations, and what is written by hand in it fits them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from domus.cli.command import Command
from domus.cli.declared import everything, present
from domus.cli.main import main
from domus.cli.manual import markdown, pages, plain, roff, table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", present(), ids=lambda command: command.name)
def test_the_prose_of_a_subcommand_has_no_option_that_is_not_declared(command: Command) -> None:
    assert command.raw or pages.undeclared(command) == []


def test_every_section_of_the_prose_is_about_a_subcommand() -> None:
    headings = [block.text for block in pages.prose("xm") if isinstance(block, markdown.Heading)]
    begin, end = headings.index("SUBCOMMANDS"), headings.index("EXIT STATUS")
    assert [title for title in headings[begin + 1 : end] if not pages.names_in(title)] == []


@pytest.mark.parametrize("command", present(), ids=lambda command: command.name)
def test_the_page_tells_every_subcommand_and_each_option_of_it(command: Command) -> None:
    text = plain.text(pages.about(command), width=200)
    assert text.startswith(f"{command.name} {command.usage}".rstrip())
    for option in command.options:
        assert option.later or f"  {option.spelling}\n" in text


VERBS = [verb for command in present() for verb in command.verbs]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_page_and_the_help_tell_every_verb_of_a_subcommand(
    verb: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = verb.name.split()
    command = next(command for command in present() if command.name == first)
    assert command.verb(rest) is verb
    page = plain.text(pages.about(command), width=200)
    assert f"{verb.name} {verb.usage}".rstrip() in page
    assert main(["help", first]) == 0
    assert verb.sentence in capsys.readouterr().out
    assert main(["help", *verb.name.split()]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Usage: xm {verb.name}")
    assert [option.spelling for option in verb.options if option.spelling not in told + page] == []


def test_the_table_in_the_documentation_is_current() -> None:
    assert (ROOT / "docs/commands.md").read_text() == table.page(), "make it again: scripts/manuals"


@pytest.mark.parametrize("command", list(everything()), ids=lambda command: command.name)
def test_what_is_said_to_test_a_subcommand_is_there(command: Command) -> None:
    assert [name for name in command.tested.split() if not (ROOT / "tests" / name).is_file()] == []
    assert set(command.works.split()) <= {"pv", "pvh", "hvm", "-"}


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_whole_and_groff_has_nothing_to_complain_about(name: str) -> None:
    made = roff.page(pages.page(name), name=name, section=pages.PAGES[name], version="1")
    chapters = pages.chapters_of(pages.page(name))
    assert chapters[0] == "NAME"
    assert chapters[-1] == "SEE ALSO"
    assert made.isascii()
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-Wbreak"], input=made, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{name.upper()}({pages.PAGES[name]})")


def test_roff_means_what_the_text_says() -> None:
    blocks = markdown.parse(
        "## T\n\n.dot *it* `--opt`\n\n'quote \\n — é\n\n`-x`, `--xx`\n:   first\n    second\n"
        "\n    code\n\n    more"
    )
    assert roff.page(blocks, name="x", section=1, version="1").splitlines()[4:] == [
        '.SH "T"',
        ".PP",
        "\\&.dot \\fIit\\fR \\fB\\-\\-opt\\fR",
        ".PP",
        "\\&'quote \\en \\- \\[u00E9]",
        ".TP",
        "\\fB\\-x\\fR, \\fB\\-\\-xx\\fR",
        "first second",
        ".PP",
        ".RS 4",
        ".EX",
        "code",
        "",
        "more",
        ".EE",
        ".RE",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hosts", "Which host is asked:"),
        ("exit-codes", "the domain does not exist"),
        ("configuration", "evaluated and never executed"),
        ("memory", "memory=MiB"),
        ("create", "Usage: xm create"),
    ],
)
def test_help_tells_topics_and_parameters(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert main(["help", name]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert "\x1b" not in out
    assert "`" not in out


@pytest.mark.parametrize("topic", pages.TOPICS)
def test_every_topic_is_a_chapter(topic: str) -> None:
    assert pages.topic(topic)


def test_help_guesses_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "memry"]) == 1
    assert capsys.readouterr().err == "Error: Subcommand memry not found! (did you mean memory?)\n"
