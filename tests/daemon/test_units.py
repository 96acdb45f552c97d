"""The systemd units that are shipped, as systemd itself reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging/systemd"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def verified(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(folder.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with programs that this machine has."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/xm ", "/bin/echo ").replace("/usr/bin/xend", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_systemd_has_nothing_to_say_against_our_units(installed: Path) -> None:
    assert verified(installed) == (0, "")


def test_systemd_finds_a_mistake_in_them(installed: Path) -> None:
    unit = installed / "domus-domains.service"
    unit.write_text(unit.read_text().replace("RemainAfterExit=yes", "RemainsAfterExit=perhaps"))
    assert "RemainsAfterExit" in verified(installed)[1]


def test_a_domain_that_does_not_start_keeps_no_other_from_being_ended_with_the_host() -> None:
    # A unit whose ExecStart= fails has no ExecStop= carried out; the dash makes systemd go on.
    (start,) = [
        line for line in (UNITS / "domus-domains.service").read_text().splitlines() if "start-all" in line
    ]
    assert start.startswith("ExecStart=-/usr/bin/xm ")
