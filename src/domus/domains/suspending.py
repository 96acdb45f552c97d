"""Suspend and resume of managed domains: save and restore, with a file that xend keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from domus.domains import savefile
from domus.domains.build import Handle
from domus.domains.journal import FinishResume
from domus.domains.parts import Parts
from domus.domains.saving import Saving
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

        async def body(operation: Handle) -> None:
            # Built, and still paused: nothing in the guest or on its disks has changed yet. From here on the
            # file is of the past, and must not be resumed a second time.
            await self._saving.restore_from(operation, str(path), saved, config, paused=True)
            last = FinishResume(str(path), info.uuid, None if paused else operation.domid())
            await operation.commit(last)
            await self.finish(last)

        return await self._parts.begin(
            "resume",
            body,
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing="it is being resumed",
            who=who,
        )
