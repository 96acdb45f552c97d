"""The consoles of all domains: which ptys xend holds, and what becomes of them when domains come and go.

A domain that xend made has its console held from its start, so that the scroll-back knows its whole boot.
One that `xl` made is held only while somebody listens: otherwise `xl console` would see half of it. When a
guest reboots, its streams stay: they go on with the console of its new domain id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from domus.daemon.relay import Relay
from domus.model.domain import DomainInfo
from domus.model.errors import DomainNotFound, DomusError, NotFound, WrongState
from domus.model.operation import Event

log = logging.getLogger(__name__)

#: seconds for xenconsoled to give a new domain its pty, and between two looks for it
PTY_WITHIN: Final = 10.0
PTY_EVERY: Final = 0.25

#: seconds between the end of a pty and the news that its domain is gone, or the other way round
GRACE: Final = 3.0

#: seconds for a rebooting domain to be there again, beside the delay that xend gives it
RESTART_WITHIN: Final = 120.0


class Domains(Protocol):
    """What is asked of `domus.domains.service.Domains` here."""

    async def list(self) -> list[DomainInfo]:
        """All domains."""

    async def get(self, reference: str) -> DomainInfo:
        """One domain."""

    async def config(self, reference: str) -> object:
        """The configuration of a domain that xend made; NotFound of any other."""

    async def console_tty(self, reference: str) -> tuple[DomainInfo, str]:
        """A domain and its pty."""


class Consoles:
    """One relay per domain, by uuid. Event loop only.

    `start` takes hold of the consoles that xend answers for; `note` is told of every event of the host.
    """

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self._relays: dict[str, Relay] = {}
        self._restarting: dict[str, asyncio.TimerHandle] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take hold of the consoles of the domains that were made by an earlier xend."""
        for domain in await self._domains.list():
            if domain.domid:
                self._spawn(self._hold(domain.uuid))

    async def close(self) -> None:
        """Let go of all ptys; the domains do not notice."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for timer in self._restarting.values():
            timer.cancel()
        for relay in self._relays.values():
            relay.close()

    async def relay(self, reference: str) -> Relay:
        """The relay of a domain, holding its pty.

        Raises:
            DomainNotFound: there is no such domain.
            WrongState: it has no console.
        """
        domain = await self._domains.get(reference)
        if domain.domid is None:
            raise WrongState(f"Domain '{reference}' is not started")
        if domain.domid == 0:
            raise WrongState(
                "Domain-0 has no console here", hint="it is this host's own screen or serial line"
            )
        relay = self._relays.get(domain.uuid)
        if relay is not None and relay.is_open and relay.domid == domain.domid:
            return relay
        return await self._open(domain.uuid)

    def release(self, relay: Relay) -> None:
        """A reader has left: let go of the pty if it was held for readers only."""
        if not relay.readers and not relay.kept:
            relay.close()
            self._forget(relay)

    def note(self, event: Event) -> None:
        """Something happened on this host."""
        match event.kind:
            case "operation.ended" if event.detail.get("operation") in ("create", "restart", "receive"):
                self._built(event)
            case "domain.restarting":
                if event.uuid in self._relays:
                    self._expect_restart(event)
            case "domain.destroyed":
                relay = self._relays.get(event.uuid)
                if relay is not None and event.uuid not in self._restarting:
                    # What the guest said last may still be on its way through the pty.
                    self._later(GRACE if relay.is_open else 0.0, relay)

    def _built(self, event: Event) -> None:
        if event.detail.get("state") == "done":
            self._stop_waiting(event.uuid)
            self._spawn(self._hold(event.uuid))
        elif event.uuid in self._restarting:
            self._restart_failed(event.uuid)

    async def _hold(self, uuid: str) -> None:
        """Take hold of a domain's console, for as long as the domain lives if it is xend's."""
        try:
            ours = await self._is_ours(uuid)
            if ours or uuid in self._relays:
                relay = await self._open(uuid)
                relay.kept = relay.kept or ours
        except DomainNotFound:
            pass  # it was short
        except DomusError as error:
            log.warning("no console for %s: %s", uuid, error.for_user())

    async def _is_ours(self, uuid: str) -> bool:
        """xend keeps the configurations of those domains that it made."""
        try:
            await self._domains.config(uuid)
        except DomainNotFound:
            raise
        except NotFound:
            return False
        return True

    async def _open(self, uuid: str) -> Relay:
        # Two may ask at once; both get the same relay.
        async with self._opening.setdefault(uuid, asyncio.Lock()):
            domain, pty = await self._pty(uuid)
            relay = self._relays.get(uuid)
            if relay is None or relay.ended:
                relay = self._relays[uuid] = Relay(domain.name, uuid, hangup=self._hung_up)
            if not relay.is_open or relay.domid != domain.domid:
                relay.open(pty, domain.domid if domain.domid is not None else -1)
            return relay

    async def _pty(self, uuid: str) -> tuple[DomainInfo, str]:
        """Where its console is; xenconsoled makes it a moment after the domain."""
        deadline = asyncio.get_running_loop().time() + PTY_WITHIN
        while True:
            try:
                return await self._domains.console_tty(uuid)
            except DomainNotFound:
                raise
            except DomusError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(PTY_EVERY)

    def _hung_up(self, relay: Relay) -> None:
        if relay.uuid not in self._restarting:
            self._later(GRACE, relay)

    def _later(self, seconds: float, relay: Relay) -> None:
        self._spawn(self._settle(relay, seconds))

    async def _settle(self, relay: Relay, seconds: float) -> None:
        """End a relay, unless its domain is still there or comes back."""
        was = relay.domid
        await asyncio.sleep(seconds)
        if relay.ended or relay.domid != was or relay.uuid in self._restarting:
            return
        where = ""
        try:
            domain = await self._domains.get(relay.uuid)
            alive = domain.domid == was and not domain.dying and not domain.shutdown
        except DomusError as error:
            alive, where = False, error.hint  # such as the host to which it moved
        if not alive:
            self._end(relay, where)
        elif not relay.is_open:  # xenconsoled was started anew, and gave it another pty
            await self._hold(relay.uuid)

    def _expect_restart(self, event: Event) -> None:
        self._stop_waiting(event.uuid)
        delay = float(event.detail.get("delay", 0) or 0)
        self._restarting[event.uuid] = asyncio.get_running_loop().call_later(
            delay + RESTART_WITHIN, self._restart_failed, event.uuid
        )

    def _restart_failed(self, uuid: str) -> None:
        self._stop_waiting(uuid)
        relay = self._relays.get(uuid)
        if relay is not None:
            self._later(0.0, relay)

    def _stop_waiting(self, uuid: str) -> None:
        timer = self._restarting.pop(uuid, None)
        if timer is not None:
            timer.cancel()

    def _end(self, relay: Relay, where: str = "") -> None:
        relay.end(f"domain ended: {where}" if where else "domain ended")
        self._forget(relay)

    def _forget(self, relay: Relay) -> None:
        if self._relays.get(relay.uuid) is relay:
            del self._relays[relay.uuid]
            self._opening.pop(relay.uuid, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
