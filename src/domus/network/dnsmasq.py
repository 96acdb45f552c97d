"""DHCP and DNS for the guests of a named network: one dnsmasq for each, found again by whoever comes next.

It runs as a user of its own, listens on the network's bridge alone, and gives addresses only to cards that
xend has reserved one for: what a guest gets is known before its card is plugged in, and so is its guard.

Source: dnsmasq(8).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.model.errors import HostProblem
from domus.model.networks import Lease, Network, NetworkKind
from domus.programs import arun

#: what a running one needs; gone with a reboot, as it is
RUN: Final = Path("/run/domus/networks")

#: users that it may run as, the first that the host has
_USERS: Final = ("dnsmasq", "nobody")

_LEASE_TIME: Final = "12h"
_STARTS_WITHIN: Final = 20.0  # seconds


@dataclass(frozen=True)
class Reservation:
    """The address that a card will be given."""

    mac: str
    address: str
    name: str = ""  #: under which the guest is found in DNS


class Dnsmasq:
    """The one of one network.

    Args:
        leases: where it writes who has which address; kept over reboots.
    """

    def __init__(self, network: Network, leases: Path) -> None:
        self._network = network
        self._folder = RUN / network.name
        self._leases = leases

    @property
    def wanted(self) -> bool:
        """The network has one."""
        return self._network.serves_dhcp

    def pid(self) -> int | None:
        """Its process; None: it does not run."""
        try:
            pid = int((self._folder / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"--conf-file={self._folder / 'conf'}".encode() in words else None

    async def start(self, reservations: Mapping[str, Reservation]) -> None:
        """Start it, unless it runs; it goes on without xend.

        Raises:
            HostProblem: it is not installed, or refused to start.
        """
        if self.pid() is not None:
            return
        if shutil.which("dnsmasq") is None:
            raise HostProblem(
                f"network {self._network.name} needs dnsmasq, which is not installed",
                hint="install dnsmasq-base, or define the network with dhcp=no",
            )
        user = _user()
        hosts = self._folder / "hosts"
        hosts.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._leases.parent.mkdir(parents=True, exist_ok=True)
        # Others may look for files there, and dnsmasq is one of them.
        self._leases.parent.chmod(0o711)
        self._leases.touch()
        os.chown(self._leases, user.pw_uid, user.pw_gid)
        for reservation in reservations.values():
            self.reserve(reservation)
        (self._folder / "conf").write_text(
            configuration(self._network, self._folder, self._leases, user.pw_name)
        )
        await arun(["dnsmasq", f"--conf-file={self._folder / 'conf'}"], within=_STARTS_WITHIN)

    def stop(self) -> None:
        """End it; harmless when it does not run."""
        pid = self.pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    def reserve(self, reservation: Reservation) -> None:
        """Let it give a card this address; a running one learns it by itself."""
        place = self._folder / "hosts" / reservation.mac.replace(":", "-")
        line = ",".join(filter(None, (reservation.mac, reservation.address, reservation.name)))
        if place.parent.is_dir():
            part = self._folder / "part"
            part.write_text(f"{line}\n")
            part.replace(place)

    def leases(self) -> list[Lease]:
        """Who has asked for an address and been given one."""
        found = []
        with suppress(OSError):
            for line in self._leases.read_text(errors="replace").splitlines():
                words = line.split()
                if len(words) >= 4 and words[0].isdecimal() and words[1].count(":") == 5:
                    name = "" if words[3] == "*" else words[3][:64]
                    found.append(Lease(mac=words[1], address=words[2], name=name, expires=int(words[0])))
        return found


def configuration(network: Network, folder: Path, leases: Path, user: str) -> str:
    """What dnsmasq reads."""
    lines = [
        f"interface={network.device}",
        "except-interface=lo",
        "bind-interfaces",
        f"pid-file={folder / 'pid'}",
        f"user={user}",
        f"dhcp-leasefile={leases}",
        f"dhcp-hostsdir={folder / 'hosts'}",
        "dhcp-authoritative",
        f"domain={network.dns_domain}",
        f"local=/{network.dns_domain}/",
        "no-hosts",
        "domain-needed",
        "bogus-priv",
    ]
    if network.kind is NetworkKind.ISOLATED:
        lines += ["no-resolv", "dhcp-option=option:router"]
    names = [f"gateway.{network.dns_domain}"]
    if (host := network.host4) is not None:
        lines.append(f"dhcp-range={host.network.network_address},static,{host.netmask},{_LEASE_TIME}")
        names.append(str(host.ip))
    if (host6 := network.host6) is not None:
        # Guests make their addresses from their MACs: those their guards know.
        lines += ["enable-ra", f"dhcp-range={host6.network.network_address},ra-only,64,{_LEASE_TIME}"]
        names.append(str(host6.ip))
    lines.append(f"host-record={','.join(names)}")
    return "".join(f"{line}\n" for line in lines)


def _user() -> pwd.struct_passwd:
    for name in _USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise HostProblem("this host has no user dnsmasq or nobody for the DHCP server to run as")
