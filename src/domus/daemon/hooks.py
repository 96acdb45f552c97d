"""The administrator's hooks: programs in /etc/xen/hooks.d that run for each event, as nobody.

They run one event after the other, in the order of the events, all hooks of one event at once. A hook
reads the event as JSON from its standard input, and finds it in DOMUS_EVENT_* variables; what it prints
goes to xend's log, up to a bound. It cannot hinder what happens: only tell others about it. Events of the
time in which no xend runs have no hooks, nor have those that happened before xend was started.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from domus.domains.events import EventBus
from domus.model.errors import DomusError, ProgramFailed
from domus.model.operation import Event
from domus.programs import arun_as

log = logging.getLogger(__name__)

FOLDER: Final = Path("/etc/xen/hooks.d")

#: the user that hooks run as
USER: Final = "nobody"

#: seconds that one hook may take for one event
WITHIN: Final = 10.0

#: bytes of its output that are logged
OUTPUT: Final = 4096

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME_MAX: Final = 1024  # bytes of one variable: names of domains that others made can be anything


@dataclass(frozen=True)
class Found:
    """What is in the folder."""

    hooks: tuple[Path, ...]
    refused: tuple[str, ...]  #: a sentence for each file that may not be run, and why


class Hooks:
    """Runs hooks. For the event loop."""

    def __init__(self, events: EventBus, folder: Path = FOLDER) -> None:
        self._events = events
        self._folder = folder
        self._told: set[str] = set()

    async def follow(self) -> None:
        """Run hooks for what happens from now on, until cancelled."""
        try:
            user = pwd.getpwnam(USER)
        except KeyError:
            log.warning("there is no user %s: hooks are not run", USER)
            return
        async for event in self._events.subscribe():
            found = find(self._folder)
            self._tell_refused(found)
            runs = (self._run(hook, event, user.pw_uid, user.pw_gid) for hook in found.hooks)
            await asyncio.gather(*runs)

    def _tell_refused(self, found: Found) -> None:
        for sentence in set(found.refused) - self._told:
            log.error("hook refused: %s", sentence)
        self._told = set(found.refused)

    async def _run(self, hook: Path, event: Event, user: int, group: int) -> None:
        try:
            done = await arun_as(
                [hook],
                user=user,
                group=group,
                stdin=msgspec.json.encode(event) + b"\n",
                env=environment(event),
                within=WITHIN,
                limit=OUTPUT,
            )
        except ProgramFailed as error:
            log.error("hook %s, event %d: %s", hook.name, event.revision, error.what)
            return
        for line in done.stdout.splitlines():
            log.info("hook %s: %s", hook.name, line)
        if done.status:
            log.error(
                "hook %s, event %d (%s): exit status %d", hook.name, event.revision, event.kind, done.status
            )


async def follow_for_ever(events: EventBus) -> None:
    """Run hooks, whatever goes wrong with a single event."""
    while True:
        try:
            await Hooks(events).follow()
            return
        except DomusError as error:
            log.error("hooks miss events: %s", error.for_user())
        except Exception:
            log.exception("a mistake in running hooks")
        await asyncio.sleep(1)


def find(folder: Path) -> Found:
    """The hooks in a folder, by name; hidden files, editors' copies and what nobody may run are no hooks."""
    try:
        problem = insecure(folder, os.lstat(folder))
    except OSError:
        return Found((), ())
    if problem:
        return Found((), (problem,))
    hooks, refused = [], []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        facts = entry.stat(follow_symlinks=False)
        if problem := insecure(Path(entry.path), facts):
            refused.append(problem)
        elif stat.S_ISREG(facts.st_mode) and facts.st_mode & stat.S_IXOTH:
            hooks.append(Path(entry.path))
    return Found(tuple(hooks), tuple(refused))


def insecure(path: Path, facts: os.stat_result) -> str:
    """Why a file, or the folder, cannot be trusted; empty: it can."""
    if stat.S_ISLNK(facts.st_mode):
        return f"{path} is a symbolic link"
    if facts.st_uid != 0:
        return f"{path} does not belong to root"
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{path} can be written by others than root (chmod go-w)"
    return ""


def environment(event: Event) -> dict[str, str]:
    """All that a hook finds in its environment."""
    facts = {
        "REVISION": str(event.revision),
        "TIME": f"{event.time:.3f}",
        "KIND": event.kind,
        "DOMAIN": event.domain,
        "DOMID": "" if event.domid is None else str(event.domid),
        "UUID": event.uuid,
    }
    details = {f"DETAIL_{name.upper()}": value for name, value in event.detail.items()}
    return {"PATH": _PATH, "LANG": "C.UTF-8"} | {
        f"DOMUS_EVENT_{name}": value.replace("\0", "")[:_NAME_MAX]
        for name, value in (facts | details).items()
    }
