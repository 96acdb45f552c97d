"""Hooks: which files are run, as whom, with what; and what happens to those that misbehave."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from pathlib import Path

import pytest

from domus.daemon import hooks
from domus.daemon.hooks import Hooks, environment, find
from domus.domains.database import Database
from domus.domains.events import EventBus, EventKind
from domus.model.operation import Event

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="hooks belong to root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that nobody can reach, with no hooks in it."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o111)
    (tmp_path / "hooks.d").mkdir(mode=0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    return tmp_path / "hooks.d"


def put(folder: Path, name: str, text: str, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def test_only_what_root_alone_can_write_is_a_hook(folder: Path) -> None:
    good = put(folder, "good", "true")
    put(folder, "not-executable", "true", 0o644)
    put(folder, ".hidden", "true")
    put(folder, "copy~", "true")
    put(folder, "by-group", "true", 0o775)
    put(folder, "by-all", "true", 0o757)
    os.chown(put(folder, "by-nobody", "true"), 65534, 0)
    (folder / "link").symlink_to("/bin/true")
    found = find(folder)
    assert found.hooks == (good,)
    assert [sentence.partition("/hooks.d/")[2] for sentence in found.refused] == [
        "by-all can be written by others than root (chmod go-w)",
        "by-group can be written by others than root (chmod go-w)",
        "by-nobody does not belong to root",
        "link is a symbolic link",
    ]


def test_a_folder_that_others_can_write_has_no_hooks(folder: Path) -> None:
    put(folder, "good", "true")
    folder.chmod(0o777)
    assert find(folder).hooks == ()
    assert find(folder).refused == (f"{folder} can be written by others than root (chmod go-w)",)
    assert find(folder / "absent") == hooks.Found((), ())


def test_the_environment_holds_the_event_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    event = Event(
        revision=7, time=1.5, kind="domain.crashed", domain="w\0eb", domid=3, detail={"reason": "crash"}
    )
    assert environment(event) == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "DOMUS_EVENT_REVISION": "7",
        "DOMUS_EVENT_TIME": "1.500",
        "DOMUS_EVENT_KIND": "domain.crashed",
        "DOMUS_EVENT_DOMAIN": "web",
        "DOMUS_EVENT_DOMID": "3",
        "DOMUS_EVENT_UUID": "",
        "DOMUS_EVENT_DETAIL_REASON": "crash",
    }


async def test_hooks_run_as_nobody_in_the_order_of_events_and_cannot_hinder_each_other(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "WITHIN", 1.0)
    caplog.set_level(logging.INFO, "domus.daemon.hooks")
    out = tmp_path / "out"
    put(folder, "10-tells", f'cat >> {out}/events; id -un >> {out}/who; echo "$DOMUS_EVENT_KIND was seen"')
    put(folder, "20-hangs", f"sleep 60 & echo $! >> {out}/pids; wait")
    put(folder, "30-fails", "head -c 100000 /dev/zero | tr '\\0' x; exit 3")
    database = await Database.open(tmp_path / "state" / "xend.sqlite")
    events = await EventBus.open(database)
    task = asyncio.create_task(Hooks(events, folder).follow())
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    events.publish(EventKind.DOMAIN_CREATED, domain="web", domid=1)
    events.publish(EventKind.DOMAIN_CRASHED, domain="web", domid=1)
    while caplog.text.count("did not end within 1 s") < 2:
        assert time.monotonic() - begun < 20, caplog.text
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await events.close()
    await database.close()
    seen = [json.loads(line) for line in (out / "events").read_text().splitlines()]
    assert [event["kind"] for event in seen] == ["domain.created", "domain.crashed"]
    assert (out / "who").read_text().split() == ["nobody", "nobody"]
    assert "hook 10-tells: domain.crashed was seen" in caplog.text
    assert "hook 30-fails, event 2 (domain.crashed): exit status 3" in caplog.text
    longest = max(len(record.getMessage()) for record in caplog.records)
    assert longest < hooks.OUTPUT + 100
    for pid in (out / "pids").read_text().split():
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"
