"""`xm events`: how an event is told."""

from __future__ import annotations

import pytest

from domus.cli.events import line
from domus.cli.shutdown import Awaited, Ended
from domus.model.operation import Event


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_an_event_is_one_line_whatever_its_names_hold() -> None:
    event = Event(
        revision=1041, time=0.0, kind="domain.crashed", domain="web", domid=7, detail={"reason": "crash"}
    )
    assert line(event) == "1970-01-01 00:00:00   1041 domain.crashed     web (id 7) reason=crash"
    odd = Event(revision=1, time=0.0, kind="operation.ended", detail={"problem": "no\nroom", "state": ""})
    assert line(odd) == '1970-01-01 00:00:00      1 operation.ended     problem=no?room state=""'


def test_looks_at_an_ended_domain_are_counted_by_the_second() -> None:
    ended, one, other = Ended(), Awaited("a", "u1", 1), Awaited("b", "u2", 2)
    assert ended.looks(one) == 1
    assert ended.any_of([one, other])
    assert not ended.any_of([other])
