"""A guest whose shell a test speaks to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from domus.model.config import DomainConfig, Nic
from tests.domains.guests import Shell, create, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

#: xend breaks a console off that nobody reads; seconds
_KEPT_OPEN = 10


class GuestShell:
    """The shell of a guest, connected while it is spoken to."""

    def __init__(self, client: Client, name: str, held: ExitStack) -> None:
        self._client = client
        self._name = name
        self._held = held
        self._shell: Shell | None = None
        self._used = 0.0

    def run(self, command: str) -> str:
        """What a command prints; it must succeed."""
        if self._shell is None or time.monotonic() - self._used > _KEPT_OPEN:
            self._held.close()
            self._shell = Shell(self._held.enter_context(self._client.console(self._name, scrollback=False)))
        try:
            return self._shell.run(command)
        finally:
            self._used = time.monotonic()


#: the other end: a network namespace that is plugged into a bridge for guests
FAR, FAR6 = "10.66.0.1", "fd66::1"
_OUTSIDE = f"""
ip netns add far
ip link add br66 type bridge
ip link set br66 up
ip link add far0 type veth peer name eth0 netns far
ip link set far0 master br66 up
ip -n far addr add {FAR}/24 dev eth0
ip -n far addr add {FAR6}/64 dev eth0 nodad
ip -n far link set eth0 up
"""

#: starts a small guest without a disk
Boot = Callable[..., GuestShell]


def has_card(shell: GuestShell, name: str = "eth0") -> None:
    """Wait until the guest has a card of this name, and set it up."""
    there = f"[ -e /sys/class/net/{name} ]"
    shell.run(f"for i in $(seq 50); do {there} && break; sleep 0.1; done; ip link set {name} up")


def has_no_card(shell: GuestShell, name: str) -> None:
    """Wait until a card that was detached is gone in the guest, too: a moment after its backend."""
    there = f"[ -e /sys/class/net/{name} ]"
    shell.run(f"for i in $(seq 100); do {there} || break; sleep 0.1; done; ! {there}")


@pytest.fixture(scope="module")
def far(lab_host: LabHost) -> LabHost:
    """The host, with the other end behind its bridge br66."""
    lab_host.run(["sh", "-e", "-c", _OUTSIDE])
    return lab_host


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture(scope="module")
def boot(client: Client, guest_config: DomainConfig) -> Iterator[Boot]:
    with ExitStack() as consoles:

        def start(name: str, *nics: Nic, kernel_ip: str = "", **changed: Any) -> GuestShell:
            words = f"console=hvc0 quiet name={name} {kernel_ip and f'ip={kernel_ip}'}"
            config = replace(guest_config, name=name, nics=nics, disks=(), cmdline=words, **changed)
            create(client, config)
            wait_until_up(client, name)
            return GuestShell(client, name, consoles.enter_context(ExitStack()))

        yield start


def host_state(host: LabHost) -> list[str]:
    """Everything of dom0's network that plugging could leave."""
    look = "ip -br addr; ip route show table all; ip -6 route; nft list ruleset"
    look += "; ip neigh show proxy; ip -6 neigh show proxy"
    # How long a route that a router advertised is good for is none of ours.
    return re.sub(r"expires \d+sec", "", host.run(["sh", "-c", look]).stdout).splitlines()
