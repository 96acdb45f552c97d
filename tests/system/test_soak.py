"""xend is killed at random moments of a random mix of everything, on real Xen: nothing is lost or left.

DOMUS_SOAK_KILLS says how often, DOMUS_SOAK_SEED repeats what a former run did; both are printed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from domus.lab.host import LabHost
from tests.system import state_disk
from tests.system.soak.driver import Soak

pytestmark = pytest.mark.lab

_SHORT = 8
_LONG = 300


def soak(host: LabHost, folder: Path, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("DOMUS_SOAK_SEED") or secrets.randbits(32))

    def say(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    say(f"\nDOMUS_SOAK_SEED={seed} DOMUS_SOAK_KILLS={kills}")
    disk = folder / "state.img"
    state_disk.make(disk, 1024)
    state_disk.mount(host, disk, empty=True)
    soaking = Soak(host, seed, folder, say)
    soaking.prepare()
    number = 0
    while soaking.kills < kills:
        number += 1
        # Now and then none, so that one xend lives through all of it, and now and then several in a row.
        soaking.round(number, kills=(1, 2, 3, 2, 0)[number % 5])
    soaking.finish()
    say(f"{soaking.kills} kills in {number} rounds: {dict(sorted(soaking.answers.items()))}")


@pytest.mark.timeout(3600)
@pytest.mark.soak
def test_a_few_kills_at_random_moments_leave_nothing_lost_harmed_or_left(
    lab_host: LabHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soak(lab_host, tmp_path, _SHORT, capsys)


@pytest.mark.timeout(12 * 3600)
@pytest.mark.soak
def test_whatever_xend_was_killed_at_nothing_is_lost_harmed_or_left(
    new_host: Callable[[], LabHost], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soak(new_host(), tmp_path, int(os.environ.get("DOMUS_SOAK_KILLS") or _LONG), capsys)
