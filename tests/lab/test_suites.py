"""Hosts of another Debian release: what is in their image, and who says which one a host is made from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domus.cli.declared.lab import COMMANDS
from domus.lab import image
from domus.lab.host import LabHost
from domus.lab.recipe import RELEASES
from domus.lab.record import Hypervisor, Suite, usual_suite
from domus.model.errors import BadInput


def test_every_suite_has_its_own_image_and_its_own_xen() -> None:
    recipes = [image.wanted_recipe(suite) for suite in Suite]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    for recipe in recipes:
        xen = [package for package in recipe.packages if package.startswith("xen-")]
        assert xen == [
            f"xen-hypervisor-{RELEASES[recipe.suite].xen}-amd64",
            f"xen-utils-{RELEASES[recipe.suite].xen}",
        ]


def test_what_xend_imports_is_in_every_image_by_its_package_or_locked() -> None:
    wanted = {name.removeprefix("python3-") for name in RELEASES[Suite.TRIXIE].imports}
    for release in RELEASES.values():
        there = {name.removeprefix("python3-") for name in release.imports}
        if release.lock is not None:
            there |= set(re.findall(r"^([a-z0-9-]+)==", release.lock.read_text(), re.M))
        assert wanted <= there


def test_the_environment_says_which_suite_is_usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOMUS_LAB", str(tmp_path))
    monkeypatch.delenv("DOMUS_SUITE", raising=False)
    assert LabHost("new").shape.suite is Suite.TRIXIE
    monkeypatch.setenv("DOMUS_SUITE", "bookworm")
    assert LabHost("new").shape.suite is Suite.BOOKWORM
    monkeypatch.setenv("DOMUS_SUITE", "sarge")
    with pytest.raises(BadInput, match="DOMUS_SUITE=sarge: there is trixie and bookworm"):
        usual_suite()


def test_the_options_of_xm_lab_have_the_values_that_there_are() -> None:
    options = [option for verb in COMMANDS[0].verbs for option in verb.options]

    def choices(word: str) -> set[tuple[str, ...]]:
        return {option.choices for option in options if option.word == word}

    assert choices("suite") == {tuple(Suite)}
    assert choices("hypervisor") == {tuple(Hypervisor)}
