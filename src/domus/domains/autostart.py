"""Domains that start with the host: managed ones with on_xend_start, files in /etc/xen/auto, what was saved.

Once per boot of the host xend starts them; as many at once as there are CPUs and memory for, and none waits
for more than what it was told to wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from domus.domains import savefile, xendomains
from domus.domains.build import Handle
from domus.domains.parts import Parts
from domus.domains.startplan import Plan, Step, plan
from domus.model.config import DomainConfig
from domus.model.errors import DomusError, HostProblem
from domus.model.operation import Operation, OperationState

log = logging.getLogger(__name__)

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
#: who asks for what starts with the host
AT_BOOT: Final = "xend:autostart"
#: MiB beside its memory that a domain may need while it is built: page tables, QEMU
_MORE_MIB: Final = 16


@dataclass(frozen=True)
class Candidate:
    """A domain that is to be started, or brought back."""

    config: DomainConfig
    begin: Callable[[], Awaitable[Operation]]


@dataclass(frozen=True)
class Starts:
    """How a domain is started; each begins it."""

    create: Callable[[DomainConfig], Awaitable[Operation]]  #: one that is not managed
    start: Callable[[str], Awaitable[Operation]]  #: a managed one, by its uuid
    resume: Callable[[str], Awaitable[Operation]]  #: a managed one that is suspended
    restore: Callable[[str], Awaitable[Operation]]  #: from a file, which goes


class Autostart:
    """Starts what is to start with the host. For the event loop.

    Args:
        ways: how they are started.
    """

    def __init__(self, parts: Parts, ways: Starts) -> None:
        self._parts = parts
        self._ways = ways
        self._running = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """In the background: if this is xend's first start since the host's, start what starts with it."""
        self._task = asyncio.create_task(self._at_boot(), name="autostart")

    async def close(self) -> None:
        """Stop that; what was not started yet is started by the next xend."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _at_boot(self) -> None:
        try:
            boot = (await asyncio.to_thread(_BOOT_ID.read_text)).strip()
            if await self._parts.database.read(_booted) == boot:
                return
            if any(await self._candidates()):
                operation = await self.start_all(who=AT_BOOT)
                await self._parts.operations.wait(operation.id)
            # Written in the end: what a killed xend had not started yet, the next one does.
            await self._parts.database.write(lambda connection: _note_boot(connection, boot))
        except (DomusError, OSError) as error:
            log.error("domains that start with the host: %s", error)

    async def start_all(self, *, who: str) -> Operation:
        """Begin to start everything that starts with the host and does not run; what runs is left alone."""
        return await self._parts.operations.start(
            "autostart", domain="", uuid="", who=who, body=self._start_all
        )

    async def _start_all(self, operation: Handle) -> None:
        async with self._running:
            async with operation.step("looking what starts with the host"):
                candidates, problems = await self._candidates()
                running = [info.name for info in await self._parts.listing.list()]
                todo = plan([each.config for each in candidates.values()], running)
                problems |= todo.refused
            if todo.steps:
                async with operation.step(f"starting {len(todo.steps)} domains"):
                    problems |= await self._carry_out(operation, todo, candidates)
        for name, why in problems.items():
            log.error("%s is not started: %s", name, why)
        if problems:
            raise HostProblem(
                "not started: " + "; ".join(f"{name} ({why})" for name, why in sorted(problems.items()))
            )

    async def _candidates(self) -> tuple[dict[str, Candidate], dict[str, str]]:
        """What is to be started, by name; and the files that are no configuration, with the reason."""
        there = {info.name for info in await self._parts.listing.list()}
        there |= {kept.config.name for kept in self._parts.kept.waiting()}
        found: dict[str, Candidate] = {}
        settings = await self._parts.workers.call(xendomains.read)
        files, problems = await self._parts.workers.call(configurations, settings.auto)
        saved: dict[str, Candidate] = {}
        if settings.restore and settings.save:
            saved, unusable = await self._saved(settings.save, there)
            problems |= unusable
        for config in files:
            managed = self._parts.definitions.named(config.name)
            if managed is None and config.name not in there:
                begin = partial(self._ways.create, config)
                found[config.name] = Candidate(config, begin)
        named = {config.name for config in files}
        for managed in self._parts.definitions:
            if (managed.config.autostart or managed.name in named) and managed.name not in there:
                is_suspended = managed.uuid in self._parts.suspended
                begin = partial(self._ways.resume if is_suspended else self._ways.start, managed.uuid)
                found[managed.name] = Candidate(managed.config, begin)
        return found | saved, problems

    async def _saved(
        self, folder: str, there: Collection[str]
    ) -> tuple[dict[str, Candidate], dict[str, str]]:
        """What the files in a folder bring back, by name; and those that are none, with the reason."""
        found: dict[str, Candidate] = {}
        heads, problems = await self._parts.workers.call(saved_domains, Path(folder))
        for path, config in heads.items():
            if config.name in there or config.name in found:
                # Never a second time: what is on its disks by now would be overwritten from old memory.
                problems[path] = f"there is a domain '{config.name}' already; the file stays"
            else:
                found[config.name] = Candidate(config, partial(self._ways.restore, path))
        return found, problems

    async def _carry_out(
        self, operation: Handle, todo: Plan, candidates: dict[str, Candidate]
    ) -> dict[str, str]:
        """Start everything; returns what could not be, with the reason."""
        physical = await self._parts.workers.call(self._parts.libxl.physinfo)
        room = Room(max(1, int(physical.get("nr_cpus", 1))), self._free_mib)
        problems: dict[str, str] = {}
        ended = {step.name: asyncio.Event() for step in todo.steps}

        async def one(step: Step) -> None:
            try:
                for other in step.waits_for:
                    await ended[other].wait()
                failed = next((other for other in sorted(step.needs) if other in problems), None)
                if failed is not None:
                    problems[step.name] = f"it starts after '{failed}', which is not started"
                    return
                await asyncio.sleep(step.delay_s)
                candidate = candidates[step.name]
                async with room.for_one(candidate.config.memory_mib + _MORE_MIB):
                    await self._start_one(candidate)
            except DomusError as error:
                problems[step.name] = error.what
            finally:
                ended[step.name].set()
                operation.progress(sum(each.is_set() for each in ended.values()) / len(ended))

        async with asyncio.TaskGroup() as group:
            for step in todo.steps:
                group.create_task(one(step), name=f"autostart {step.name}")
        return problems

    async def _start_one(self, candidate: Candidate) -> None:
        begun = await candidate.begin()
        done = await self._parts.operations.wait(begun.id)
        if done.state is not OperationState.DONE:
            raise HostProblem(done.problem.title if done.problem else str(done.state))

    async def _free_mib(self) -> int:
        return await self._parts.workers.call(self._parts.ballooning.obtainable_kib) >> 10


class Room:
    """The CPUs and the memory that domains are built in.

    Args:
        slots: how many are built at once.
        free_mib: asks Xen for the memory that is free.
    """

    def __init__(self, slots: int, free_mib: Callable[[], Awaitable[int]]) -> None:
        self._slots = slots
        self._free_mib = free_mib
        self._taken: list[int] = []
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def for_one(self, mib: int) -> AsyncIterator[None]:
        """Wait until there is room for one that needs `mib`, and have it while the block lasts.

        With nothing else under way there is always room: its creation finds out whether that is enough.
        """
        async with self._changed:
            while self._taken and not await self._fits(mib):
                await self._changed.wait()
            self._taken.append(mib)
        try:
            yield
        finally:
            async with self._changed:
                self._taken.remove(mib)
                self._changed.notify_all()

    async def _fits(self, mib: int) -> bool:
        # What is being built may have part of its memory already: this errs on the side of waiting.
        return len(self._taken) < self._slots and sum(self._taken) + mib <= await self._free_mib()


def configurations(folder: Path) -> tuple[list[DomainConfig], dict[str, str]]:
    """The configurations in a folder, links followed, in the order of their names; and what is none, and why.

    Where it runs:
        Reads and evaluates files: worker threads.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError:
        return [], {}
    if not paths:
        return [], {}
    from domus.config import load  # heavy: only who has such files needs it

    configs, problems = [], {}
    for path in paths:
        try:
            configs.append(load(path, search_path=()).config)
        except DomusError as error:
            problems[str(path)] = error.for_user()
    return configs, problems


def saved_domains(folder: Path) -> tuple[dict[str, DomainConfig], dict[str, str]]:
    """The domains that were saved into a folder, by file; and the files that are none, and why.

    Where it runs:
        Reads files: worker threads.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError:
        return {}, {}
    found, problems = {}, {}
    for path in paths:
        try:
            found[str(path)] = savefile.read(str(path)).config
        except DomusError as error:
            problems[str(path)] = error.for_user()
    return found, problems


def _booted(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM managed_fact WHERE name = 'boot'").fetchone()
    return str(row[0]) if row else ""


def _note_boot(connection: sqlite3.Connection, boot: str) -> None:
    connection.execute("INSERT OR REPLACE INTO managed_fact VALUES ('boot', ?)", (boot,))
