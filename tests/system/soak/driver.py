"""Rounds of random wishes to a real host's xend, which is killed meanwhile.

Everything random comes from the seed and the round's number; what was asked when is told when a claim does
not hold after a round. What must hold is in `claims`.
"""

from __future__ import annotations

import threading
import time
import uuid as uuids
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from domus.lab import image, initrd
from domus.lab.image import SCRIPTS
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.errors import OutcomeUnknown, Unreachable
from tests.system.soak.asking import Place, ask
from tests.system.soak.belief import BASE_MIB, Asking, Life, State, Wish, effects
from tests.system.soak.claims import Claims
from tests.system.soak.traces import FOLDER, Traces

if TYPE_CHECKING:
    from domus.lab.host import LabHost

#: how often what is asked of a domain that is managed, and of another one
_MANAGED: Final = {
    "new": 3, "set": 3, "delete": 2, "start": 6, "destroy": 3, "suspend": 4, "resume": 6, "attach-disk": 4,
    "detach-disk": 4, "attach-card": 4, "detach-card": 4, "mem-set": 2, "vcpu-set": 2, "rename": 3,
    "shutdown": 3, "reboot": 2,
}  # fmt: skip
_LOOSE: Final = {
    "create": 6, "destroy": 3, "save": 4, "checkpoint": 2, "restore": 4, "attach-disk": 4, "detach-disk": 4,
    "attach-card": 4, "detach-card": 4, "mem-set": 2, "vcpu-set": 2, "rename": 3, "shutdown": 3, "reboot": 2,
}  # fmt: skip

#: one wish in so many is made whether it can be granted or not
_BLIND: Final = 5
_CLIENTS: Final = 3

#: s in which clients whose xend was killed must have noticed
_CLIENTS_WITHIN: Final = 1200.0

#: what the small guest does at the end of its init: it writes its boot and a counter onto its disk for ever,
#: without any process, which would be dear under emulation. Linux writes it out when the device is closed.
_TICKING: Final = """
mkfifo /never
tick() {
    read -r boot < /proc/sys/kernel/random/boot_id
    n=0
    exec 3<> /never
    while :; do
        n=$((n + 1))
        echo "tick $boot $n" > /dev/xvda
        read -r -t 3 never <&3
    done
}
tick &
"""
_LAST_LINE: Final = "exec /bin/busybox init\n"


class Soak:
    """One host and the domains on it.

    Args:
        folder: for what is made here.
        say: is told what is done.
    """

    def __init__(self, host: LabHost, seed: int, folder: Path, say: Callable[[str], None]) -> None:
        self.seed = seed
        self.kills = 0
        self.answers: Counter[str] = Counter()
        self._host = host
        self._folder = folder
        self._say = say
        self._places = [
            Place(f"{kind}{number}", kind == "kept", f"00:16:3e:50:0{int(kind == 'kept')}:0{number}")
            for kind in ("kept", "loose")
            for number in range(2)
        ]
        self._bystander = Place("bystander", False, "00:16:3e:50:07:00")
        self._images = ("", "")
        self._pace = 0.0  # seconds that a look takes here, which is about what making a domain does

    def prepare(self) -> None:
        """Make disks, and start a guest of which nothing is asked."""
        places = [*self._places, self._bystander]
        paths = [path for place in places for path in place.images]
        self._host.run(["sh", "-ec", f"mkdir -p {FOLDER}; truncate -s 1M {' '.join(paths)}"])
        # On an emulated host a few busy guests leave domain 0, which does all the work, next to nothing.
        self._host.run(["xl", "sched-credit2", "-d", "0", "-w", "4096"])
        self._claims = Claims(self._host, self._places, self._bystander)
        self._images = self._ticking_guest()
        with self._host.client() as client:
            place = self._bystander
            place.uuid = str(uuids.UUID(int=Random(self.seed).getrandbits(128), version=4))
            client.finish(client.create(CreateRequest(config=self._config(place))))
        place.beliefs = frozenset({State(life=Life.UP)})
        self._claims.wait_until_all_tick()
        begun = time.monotonic()
        Traces.of(self._host)
        self._pace = time.monotonic() - begun

    def _ticking_guest(self) -> tuple[str, str]:
        source = image.wanted().folder / "guest"
        init, target = self._folder / "init", self._folder / "initrd"
        text = (SCRIPTS / "guest-init").read_text()
        assert text.endswith(_LAST_LINE)
        init.write_text(text.removesuffix(_LAST_LINE) + _TICKING + _LAST_LINE)
        modules = sorted((source / "modules").iterdir())
        initrd.build(target, busybox=source / "busybox", init=init, modules=modules)
        with self._host.client() as client:
            return client.put_blob(source / "vmlinuz"), client.put_blob(target)

    def _config(self, place: Place) -> DomainConfig:
        return place.config(*self._images)

    def round(self, number: int, *, kills: int) -> None:
        """Wishes by several clients at once, xend killed so often meanwhile; then a look at everything."""
        random = Random(f"{self.seed}:{number}")
        plans = self._plans(random)
        begun = time.monotonic()

        def clock() -> float:
            return time.monotonic() - begun

        threads = [threading.Thread(target=self._carry_out, args=(plan, clock)) for plan in plans]
        for thread in threads:
            thread.start()
        killed = []
        for kill in range(kills):
            # The second one meets the next xend while it starts, or while it undoes.
            self._kill(random.uniform(0.05, 2.5 if kill == 0 else 1.5) * self._pace)
            killed.append(f"{clock():.1f}")
        for thread in threads:
            thread.join(_CLIENTS_WITHIN)
            assert not thread.is_alive(), f"seed {self.seed}, round {number}: a client waits for ever"
        failure = None
        try:
            self._claims.check()
        except AssertionError as error:
            failure = error
        told = [f"round {number}, xend killed at {', '.join(killed) or 'no time'} ({clock():.0f} s in all):"]
        for place in self._places:
            told += [f"  {place.name}: {asking}" for asking in place.askings if asking.was_uttered]
            self.answers.update(
                f"{each.wish.verb}: {each.answer.value}" for each in place.askings if each.was_uttered
            )
        self._say("\n".join(told))
        if failure is not None:
            raise AssertionError("\n".join([f"seed {self.seed}", *told, str(failure)])) from None

    def finish(self) -> None:
        """Take everything away; the host is as it was."""
        self._claims.check_end()

    def _plans(self, random: Random) -> list[list[tuple[float, Place, Asking]]]:
        """For each client: what it asks for, and after which pause."""
        for place in self._places:
            place.askings = []
            if all(state.is_nothing for state in place.beliefs):
                place.uuid = str(uuids.UUID(int=random.getrandbits(128), version=4))
                place.weights = {}
        plans: list[list[tuple[float, Place, Asking]]] = []
        for _ in range(_CLIENTS):
            plan = []
            for _ in range(random.randint(1, 3)):
                place = random.choice(self._places)
                asking = Asking(_wish(place, random))
                place.askings.append(asking)
                plan.append((random.choice((0.0, 0.0, random.random())) * self._pace, place, asking))
            plans.append(plan)
        return plans

    def _kill(self, pause: float) -> None:
        """SIGKILL, `pause` seconds from now, whatever xend is at."""
        script = f"sleep {pause:.2f}; pgrep -f '^/usr/bin/python3 -m domus.daemon' | xargs -r kill -9"
        self._host.run(["sh", "-c", script], within=pause + _CLIENTS_WITHIN)
        self.kills += 1

    def _carry_out(self, plan: list[tuple[float, Place, Asking]], clock: Callable[[], float]) -> None:
        with self._host.client() as client:
            for pause, place, asking in plan:
                time.sleep(pause)
                try:
                    ask(client, place, asking, self._config(place), clock)
                except (Unreachable, OutcomeUnknown):
                    return


def _wish(place: Place, random: Random) -> Wish:
    verbs = _MANAGED if place.managed else _LOOSE
    state = random.choice(sorted(place.beliefs, key=repr))
    # As if what was asked for before in this round had been done.
    for asking in place.askings:
        (state,) = sorted(effects(asking.wish, state), key=repr)[:1] or [state]
    wishes = [(_numbered(verb, state, random), weight) for verb, weight in verbs.items()]
    if random.randrange(_BLIND):
        wishes = [(wish, weight) for wish, weight in wishes if effects(wish, state)]
    return random.choices([wish for wish, _ in wishes], [weight for _, weight in wishes])[0]


def _numbered(verb: str, state: State, random: Random) -> Wish:
    match verb:
        case "mem-set":
            return Wish(verb, random.choice((BASE_MIB - 8, BASE_MIB + 8)))
        case "rename":
            return Wish(verb, int(not state.renamed))
        case "set":
            return Wish(verb, random.randint(1, 1000))
        case "detach-disk" | "detach-card":
            return Wish(verb, force=random.random() < 0.4)
    return Wish(verb)
