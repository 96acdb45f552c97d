"""Suspend and resume of managed domains: save and restore, with a file that xend keeps.

And whatever else is brought back from a file that must not be used twice.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from domus.domains import prepare, savefile
from domus.domains.build import Handle
from domus.domains.journal import FinishResume
from domus.domains.parts import Parts
from domus.domains.savefile import Saved
from domus.domains.saving import Saving
from domus.model.config import DomainConfig
from domus.model.errors import DomusError, WrongState
from domus.model.operation import Operation

_NOT_MANAGED: Final = "Domain is not managed by Xend lifecycle support."


class Suspending:
    """Suspends managed domains and resumes them. For the event loop."""

    def __init__(
        self,
        parts: Parts,
        saving: Saving,
    ) -> None:
        self._parts = parts
        self._saving = saving
        self._suspended = parts.suspended

    async def finish(self, record: FinishResume) -> None:
        """Throw the file of a domain that is back away, and let it run; harmless when repeated."""
        await asyncio.to_thread(Path(record.path).unlink, missing_ok=True)
        if record.domid is not None:
            await self._parts.builder.unpause(record.uuid, record.domid)

    async def suspend(self, reference: str, *, who: str) -> Operation:
        """Save a managed domain to disk and stop it.

        Raises:
            DomainNotFound, Busy, Forbidden (domain 0).
            WrongState: it is not managed, or does not run.
        """
        info, domid = await self._saving.running(reference, "suspend")
        if self._parts.definitions.get(info.uuid) is None:
            raise WrongState(_NOT_MANAGED, hint="xm save keeps it in a file of your own")

        async def body(operation: Handle) -> None:
            await asyncio.to_thread(self._suspended.folder.mkdir, mode=0o700, exist_ok=True)
            await self._saving.save_to(operation, info, domid, self._suspended.file(info.uuid))

        return await self._parts.begin(
            "suspend",
            body,
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing="it is being suspended",
            who=who,
        )

    async def resume(self, reference: str, *, paused: bool, who: str) -> Operation:
        """Bring a suspended managed domain back; its file goes once it is there.

        Raises:
            DomainNotFound, Busy.
            WrongState: it is not suspended, or its file cannot be read; in xend's words.
        """
        info = await self._parts.get(reference)
        if self._parts.definitions.get(info.uuid) is None:
            raise WrongState(f"Error occurred when resuming: {_NOT_MANAGED}")
        if info.domid is not None or info.uuid not in self._suspended:
            raise WrongState("Error occurred when resuming: Cannot resume domain that is not suspended.")
        path = self._suspended.file(info.uuid)
        try:
            saved = await self._parts.workers.call(savefile.read, str(path))
        except DomusError as error:
            raise WrongState(
                "Error occurred when resuming: Failed to read stored checkpoint file", hint=error.what
            ) from error

        config = replace(saved.config, name=info.name)  # it may have been renamed meanwhile
        return await self._bring_back("resume", str(path), saved, config, paused=paused, who=who)

    async def restore_once(self, path: str, *, who: str) -> Operation:
        """Bring back what was saved when the host stopped; the file goes once it is there.

        Raises:
            BadInput, NotFound: it is no such file.
            AlreadyExists: a domain of that name waits to be restarted.
            Busy: something is going on with a domain of that name or uuid.
        """
        saved = await self._parts.workers.call(savefile.read, path)
        config = prepare.chosen(saved.config)
        prepare.check_waiting(config, self._parts.kept.waiting())
        return await self._bring_back("restore", path, saved, config, paused=False, who=who)

    async def _bring_back(
        self, kind: str, path: str, saved: Saved, config: DomainConfig, *, paused: bool, who: str
    ) -> Operation:
        uuid = config.uuid or ""

        async def body(operation: Handle) -> None:
            # Built, and still paused: nothing in the guest or on its disks has changed yet. From here on the
            # file is of the past, and must not be used a second time.
            await self._saving.restore_from(operation, path, saved, config, paused=True)
            last = FinishResume(path, uuid, None if paused else operation.domid())
            await operation.commit(last)
            await self.finish(last)

        return await self._parts.begin(
            kind,
            body,
            config.name,
            uuid,
            domain=config.name,
            uuid=uuid,
            doing=f"it is being {kind}d",
            who=who,
        )
