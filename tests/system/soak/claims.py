"""What must hold on a host when nothing is under way, whatever was asked and however xend was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from domus.model.domain import DomainInfo, RunState
from domus.model.errors import Unreachable
from domus.model.operation import Operation, OperationState
from tests.domains.guests import take_all_away
from tests.system.soak.asking import Place
from tests.system.soak.belief import Answer, Asked, Life, State, outcomes
from tests.system.soak.traces import STATE, Traces, leftovers, ticks

if TYPE_CHECKING:
    from domus.client.client import Client
    from domus.lab.host import LabHost

#: s within which xend answers again, and operations end
_ENDS_WITHIN: Final = 900.0
#: s within which what is left goes: the kernel and Xen clean up a moment later
_GONE_WITHIN: Final = 120.0
#: s within which a guest that is well writes onto its disk
_TICKS_WITHIN: Final = 300.0

#: s, a little more than from one word of a guest to the next
_BETWEEN_TICKS: Final = 4.0

#: MiB of Xen's that a domain takes beside its own: page tables, grant tables
_OVERHEAD_MIB: Final = 4

_XVDB: Final = 51728  # its number: major 202, minor 16
_SECOND_CARD: Final = 1

#: what may end a boot of a domain
_ENDINGS: Final = frozenset({"destroy", "shutdown", "reboot", "save", "suspend"})


class Claims:
    """About one host, its domains that are played with, and the one that is left alone."""

    def __init__(self, host: LabHost, places: Sequence[Place], bystander: Place) -> None:
        self._host = host
        self._places = places
        self._bystander = bystander
        with host.client() as client:
            self._all_mib = _memory_mib(client)

    def check(self) -> None:
        """Raises AssertionError, with all that is not as it should be."""
        self._wait(self._answers, lambda: ["xend does not answer"], _ENDS_WITHIN)
        with self._host.client() as client:

            def unfinished() -> list[str]:
                return [f"unfinished: {each}" for each in client.operations() if not each.state.final]

            self._wait(lambda: not unfinished(), unfinished, _ENDS_WITHIN)
            _note_ends(self._places, client.operations())
            found: list[str] = []
            seen: tuple[Traces, dict[str, DomainInfo]] | None = None

            def is_clean() -> bool:
                nonlocal found, seen
                traces, infos = Traces.of(self._host), client.domains()
                seen = traces, {info.uuid: info for info in infos}
                found = [*leftovers(traces, infos, self._files(infos)), *self._surprises(*seen)]
                found += self._lost_memory(client, len(infos))
                return not found

            self._wait(is_clean, lambda: found, _GONE_WITHIN)
            self._check_revisions(client)
            assert seen is not None
            self._check_ticks(*seen)
            self._remember(*seen)

    def check_end(self) -> None:
        """Take everything away: memory and files are as they were."""
        with self._host.client() as client:
            take_all_away(client)
            for managed in client.managed.list():
                client.managed.delete(managed.uuid)
        for place in (*self._places, self._bystander):
            place.beliefs, place.askings, place.info = frozenset({State()}), [], None
            place.weights = {}
        self._host.run(["sh", "-c", f"rm -f {' '.join(place.file for place in self._places)}"])
        self.check()

    def wait_until_all_tick(self) -> None:
        """Wait for the guests' first words, and remember what is there."""
        self.check()
        self._wait(lambda: self._bystander.name in ticks(self._host), lambda: ["a guest does not tick"], 120)
        while not self._bystander.boot:
            self.check()

    # Pieces

    def _answers(self) -> bool:
        try:
            with self._host.client() as client:
                client.api()
        except Unreachable:
            return False
        return True

    def _wait(self, claim: Callable[[], bool], why: Callable[[], list[str]], within: float) -> None:
        end = time.monotonic() + within
        while not claim():
            assert time.monotonic() < end, "\n".join(why())
            time.sleep(0.5)

    def _files(self, infos: Iterable[DomainInfo]) -> list[str]:
        files = [path for place in (*self._places, self._bystander) for path in place.images]
        files += [place.file for place in self._places]
        return files + [
            f"{STATE}/suspended/{each.uuid}.save" for each in infos if each.state is RunState.SUSPENDED
        ]

    def _surprises(self, traces: Traces, infos: dict[str, DomainInfo]) -> list[str]:
        """Domains that are not what they can be."""
        found = []
        for place in (*self._places, self._bystander):
            info = infos.get(place.uuid)
            if not any(_fits(place, state, info, traces) for state in _possible(place)):
                found.append(f"{place.name} is {info}, but can only be one of:")
                found += [f"    {state}" for state in sorted(_possible(place), key=repr)]
            if _same_boot(place) and place.info and (info is None or info.domid != place.info.domid):
                found.append(
                    f"{place.name} was domain {place.info.domid} and is {info}, though nobody ended it"
                )
        known = {place.uuid for place in (*self._places, self._bystander)}
        return found + [
            f"a strange domain: {info}"
            for info in infos.values()
            if info.uuid not in known and info.domid != 0
        ]

    def _lost_memory(self, client: Client, domains: int) -> list[str]:
        lost = self._all_mib - _memory_mib(client) - _OVERHEAD_MIB * (domains - 1)
        return [f"{lost} MiB of memory belong to nobody"] if lost > 0 else []

    def _check_revisions(self, client: Client) -> None:
        """Every acknowledged configuration is in the history."""
        for place in self._places:
            for asking in place.askings:
                if asking.wish.verb == "delete" and asking.was_uttered and asking.answer is not Answer.FAILED:
                    place.weights = {}  # and what was acknowledged in this round may have gone with it
                    break
            else:
                for asking in place.askings:
                    if asking.acknowledged is not None:
                        scheduling = asking.acknowledged.config.scheduling
                        place.weights[asking.acknowledged.number] = (scheduling and scheduling.weight) or 0
            if place.weights:
                history = {each.number: each.config for each in client.managed.history(place.uuid)}
                for number, weight in place.weights.items():
                    assert number in history, f"{place.name}: the acknowledged revision {number} is lost"
                    kept = history[number].scheduling
                    assert kept is not None
                    assert kept.weight == weight, f"{place.name}: revision {number} is another one"

    def _check_ticks(self, traces: Traces, infos: dict[str, DomainInfo]) -> None:
        """Guests that nobody ended go on; those that came back are in the boot that they were in."""
        first = ticks(self._host)
        must = [place for place in (*self._places, self._bystander) if place.boot and _same_boot(place)]
        end = time.monotonic() + _TICKS_WITHIN
        while True:
            time.sleep(_BETWEEN_TICKS)
            now = ticks(self._host)
            stopped = [place.name for place in must if now[place.name].number <= first[place.name].number]
            for place in must:
                assert now[place.name].boot == place.boot, (
                    f"{place.name} has booted, though nobody asked for it"
                )
            if not stopped:
                break
            assert time.monotonic() < end, f"{stopped} do not go on, though nobody ended them"
        for place in (*self._places, self._bystander):
            before, after = first.get(place.name), now.get(place.name)
            ticks_on = before and after and before.boot == after.boot and before.number < after.number
            place.boot = after.boot if after and ticks_on else ""

    def _remember(self, traces: Traces, infos: dict[str, DomainInfo]) -> None:
        for place in (*self._places, self._bystander):
            info = infos.get(place.uuid)
            fitting = {state for state in _possible(place) if _fits(place, state, info, traces)}
            place.beliefs, place.info = frozenset(fitting), info


def _memory_mib(client: Client) -> int:
    """Of all domains, and free."""
    mib = client.host().free_memory
    return mib + sum(info.memory_kib for info in client.domains()) // 1024


def _possible(place: Place) -> set[State]:
    return outcomes(place.beliefs, [asking for asking in place.askings if asking.was_uttered])


def _same_boot(place: Place) -> bool:
    """It was there after the last round, and nothing was asked that ends it."""
    if (
        place.info is None
        or place.info.domid is None
        or any(state.asked is not Asked.NOTHING for state in place.beliefs)
    ):
        return False
    uttered = [each for each in place.askings if each.was_uttered and each.answer is not Answer.FAILED]
    return not any(asking.wish.verb in _ENDINGS for asking in uttered)


def _fits(place: Place, state: State, info: DomainInfo | None, traces: Traces) -> bool:
    """Whether a domain that looks so may be in `state`."""
    if (place.file in traces.sections["files"]) != (state.saved is not None):
        return False
    if info is None:
        return state.life is Life.OFF and not state.managed
    if (info.managed, info.name == place.other_name) != (state.managed, state.renamed):
        return False
    if info.domid is None:
        return (info.state is RunState.SUSPENDED) == (
            state.life is Life.SUSPENDED
        ) and state.life is not Life.UP
    devices, domid = state.devices, info.domid
    return (
        state.life is Life.UP
        and ((domid, _XVDB) in traces.backends("vbd")) == devices.disk
        and ((domid, _SECOND_CARD) in traces.backends("vif")) == devices.card
        and devices.target_mib in (None, info.target_kib >> 10)
    )


def _note_ends(places: Iterable[Place], operations: Iterable[Operation]) -> None:
    """What xend says now of operations whose end nobody was told."""
    known = {operation.id: operation for operation in operations}
    for place in places:
        for asking in place.askings:
            operation = known.get(asking.operation)
            if asking.answer is Answer.UNKNOWN and operation is not None:
                asking.answer = Answer.DONE if operation.state is OperationState.DONE else Answer.FAILED
                asking.text = operation.problem.title if operation.problem else ""
