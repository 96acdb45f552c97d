"""Pages that name tests: each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PAGES = ("docs/security.md", "docs/quirks.md", "SPECIFICATION.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    written = (ROOT / page).read_text()
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    tests = set(re.findall(r"def (test_\w+)", sources))
    assert set(re.findall(r"`(test_\w+)`", written)) - tests == set()
    files = set(re.findall(r"`(tests/[\w./]+)`", written))
    assert [path for path in files if not (ROOT / path).exists()] == []


def test_what_only_the_soak_shows_is_marked_in_the_specification() -> None:
    written = (ROOT / "SPECIFICATION.md").read_text()
    soaked, others, files = set[str](), set[str](), set[str]()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tests, whole = _tests(path)
        soaked |= {name for name, soak in tests.items() if soak}
        others |= {name for name, soak in tests.items() if not soak}
        if whole:
            files.add(str(path.relative_to(ROOT)))
    named = re.findall(r"`(test_\w+|tests/[\w./]+)`(\s\(soak)?", written)
    assert named
    assert [(name, mark) for name, mark in named if bool(mark) != (name in (soaked - others) | files)] == []


def _tests(path: Path) -> tuple[dict[str, bool], bool]:
    """The tests of a file, and whether each waits in `make soak`; and whether all of them do."""
    tree = ast.parse(path.read_text())
    marks = [ast.unparse(each) for each in tree.body if isinstance(each, ast.Assign)]
    whole = any(mark.startswith("pytestmark =") and "mark.soak" in mark for mark in marks)
    tests = {
        each.name: whole or any(ast.unparse(mark) == "pytest.mark.soak" for mark in each.decorator_list)
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
    }
    return tests, whole


@pytest.mark.parametrize(("page", "fewest"), [("docs/security.md", 16), ("docs/quirks.md", 25)])
def test_every_row_has_a_test_or_says_that_there_is_none(page: str, fewest: int) -> None:
    lines = (ROOT / page).read_text().splitlines()
    rows = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("| ") and not line.startswith("| ---") and not after.startswith("| ---")
    ]
    assert len(rows) >= fewest
    assert [row for row in rows if not re.search(r"`tests?[_/]|not yet", row.split(" | ")[-1])] == []
