"""`xm events`: how an event is told."""

from __future__ import annotations

import pytest

from domus.cli.events import line, of_domain, until_moved
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


def test_the_events_of_one_domain_end_with_the_one_that_says_where_it_went(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def event(kind: str, uuid: str = "u1", **detail: str) -> Event:
        return Event(revision=1, time=0.0, kind=kind, domain="web", domid=7, uuid=uuid, detail=detail)

    away = event("domain.moved-away", to="alpha")
    events = [event("domain.paused"), event("domain.paused", "u2"), away, event("domain.created")]
    assert list(until_moved(of_domain(events, "u1"))) == [events[0], away]
    assert "web goes on on alpha: xm --host alpha events" in capsys.readouterr().err
    assert len(list(of_domain(events, "7"))) == len(list(of_domain(events, "web"))) == 4
    assert list(of_domain(events, "other")) == []


def test_looks_at_an_ended_domain_are_counted_by_the_second() -> None:
    ended, one, other = Ended(), Awaited("a", "u1", 1), Awaited("b", "u2", 2)
    assert ended.looks(one) == 1
    assert ended.any_of([one, other])
    assert not ended.any_of([other])
