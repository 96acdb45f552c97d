"""`xm adopt`: a domain that runs comes under management, whoever made it.

Its configuration is what libxl keeps of it (`libxl_retrieve_domain_configuration`: what its maker left there,
with the devices of this moment), unless xend made it and knows better. The monitor that `xl create` left
behind is ended, so that one decides when the domain ends, and not two.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from domus.domains.build import Handle
from domus.domains.journal import ForgetConfig, ForgetDefinition, UndoRecord
from domus.domains.kept import Kept
from domus.domains.parts import Parts
from domus.model.config import DomainConfig
from domus.model.domain import DomainInfo
from domus.model.errors import BadInput, ConfigError, WrongState
from domus.model.names import check_domain_name
from domus.model.operation import Operation

log = logging.getLogger(__name__)

#: where xl's monitor of a domain writes (tools/xl/xl_utils.c, do_daemonize: "xl-NAME")
_MONITOR_LOG: Final = "/var/log/xen/xl-{}.log"


class Adoption:
    """Takes domains under management. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def adopt(self, reference: str, *, who: str) -> Operation:
        """Begin to take a domain under management; done, it is kept on disk.

        Raises:
            DomainNotFound, Busy.
            Forbidden: domain 0.
            WrongState: it is managed already, or has ended.
            BadInput: it has a name that no domain of ours may have.
        """
        info, domid = await self._parts.alive(reference, "adopt")
        if info.managed:
            raise WrongState(f"Domain '{info.name}' is managed already")
        check_domain_name(info.name)

        async def body(operation: Handle) -> None:
            await self._adopt(operation, info, domid, who)

        return await self._parts.begin(
            "adopt",
            body,
            info.uuid,
            info.name,
            domain=info.name,
            uuid=info.uuid,
            doing="it is being adopted",
            who=who,
        )

    async def _adopt(self, operation: Handle, info: DomainInfo, domid: int, who: str) -> None:
        known = self._parts.kept.running(info.uuid, domid)
        undo: list[UndoRecord] = [ForgetDefinition(info.uuid)]
        if known is None:
            async with operation.step("reading what libxl knows"):
                config = replace(await self._read(domid), name=info.name, uuid=info.uuid)
            started = await self._started(info.uuid)
            known = Kept(config=config, domid=domid, started=started)
            undo.append(ForgetConfig(info.uuid))
        async with operation.step("keeping its configuration", undo=undo):
            await self._parts.kept.put(known)
            await self._parts.definitions.put(known.config, who=who, what="adopt")
        operation.result(domid=domid)
        ended = await self._parts.workers.call(end_monitors, info.name)
        log.info("%s is adopted; %d monitors of xl are ended", info.name, ended)

    async def _read(self, domid: int) -> DomainConfig:
        document = await self._parts.workers.call(self._parts.libxl.retrieve_config, domid)
        return await self._parts.workers.call(_understood, json.dumps(document))

    async def _started(self, uuid: str) -> float:
        """When it was built, as its maker wrote it down."""
        text = await self._parts.store.read_text(f"/vm/{uuid}/start_time", limit=40)
        try:
            return float(text or "")
        except ValueError:
            return time.time()


def _understood(text: str) -> DomainConfig:
    from domus.config import load_text  # heavy: only who adopts needs it

    try:
        return load_text(text, source_name="libxl's configuration of it", format="json").config
    except ConfigError as error:
        raise BadInput(error.what, where=error.where, hint=error.hint) from error


def end_monitors(name: str) -> int:
    """End the processes that `xl create` left to watch this domain; returns how many there were.

    Where it runs:
        Reads /proc: worker threads.
    """
    ended = 0
    for pid in _monitors(name):
        try:
            # A descriptor, so that a process that takes the number over meanwhile is not the one that is hit.
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if pid in _monitors(name):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                ended += 1
        except OSError as error:
            log.warning("xl's monitor of %s cannot be ended: %s", name, error)
        finally:
            os.close(descriptor)
    return ended


def _monitors(name: str) -> Iterator[int]:
    # An older log is renamed when a new one is begun: .1, .2 (tools/libs/light/libxl_utils.c, logrename).
    wanted = re.compile(re.escape(_MONITOR_LOG.format(name)) + r"(\.\d+)?")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_xl = (process / "comm").read_text() == "xl\n"
            if is_xl and wanted.fullmatch(str((process / "fd/1").readlink())):
                yield int(process.name)
        except OSError:
            continue  # it ended meanwhile
