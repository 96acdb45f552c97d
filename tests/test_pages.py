"""Pages that name tests: each of them is there."""

from __future__ import annotations

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
