"""`xm domstate`: one word for the state."""

from __future__ import annotations

import pytest

from domus.cli.identity import state_word
from domus.model.domain import DomainInfo, RunState, ShutdownReason


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({"running": True}, "running"),
        ({"blocked": True}, "idle"),
        ({"paused": True}, "paused"),
        ({"shutdown": True, "shutdown_reason": ShutdownReason.POWEROFF}, "shutoff"),
        ({"shutdown": True, "shutdown_reason": ShutdownReason.CRASH}, "crashed"),
        ({"dying": True}, "shutdown"),
        ({}, "running"),
        ({"blocked": True, "paused": True}, "idle"),
    ],
)
def test_the_word_follows_the_letters_of_the_list(flags: dict[str, bool], word: str) -> None:
    domain = DomainInfo(name="g", domid=1, uuid="", state=RunState.RUNNING, **flags)  # type: ignore[arg-type]
    assert state_word(domain) == word


def test_a_domain_that_does_not_run_is_shutoff() -> None:
    assert state_word(DomainInfo(name="g", uuid="", state=RunState.HALTED)) == "shutoff"
