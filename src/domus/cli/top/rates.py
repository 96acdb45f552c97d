"""Two looks at a host's counters become rates: CPU in percent of one CPU, bytes and requests per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.model.domain import DomainInfo
    from domus.model.statistics import DomainStatistics, Statistics

_SECTOR_BYTES: Final = 512


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The counters of a domain, summed over its devices."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    read_requests: int = 0
    write_requests: int = 0
    read_sectors: int = 0
    write_sectors: int = 0
    waits: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A domain in one picture; the rates are 0 when it was not in the picture before."""

    domain: DomainInfo
    nics: int
    disks: int
    totals: Totals
    cpu_percent: float = 0.0  #: of one CPU: 200 is two of them
    rx_rate: float = 0.0  #: bytes per second that came to the guest
    tx_rate: float = 0.0  #: bytes per second that it sent
    read_rate: float = 0.0  #: bytes per second from its disks
    write_rate: float = 0.0  #: bytes per second to its disks

    @property
    def key(self) -> str:
        """The same for as long as this boot of the domain lasts."""
        return f"{self.domain.uuid}/{self.domain.domid}"


def rows(now: Statistics, before: Statistics | None) -> list[Row]:
    """A row for each domain that runs, in the order of `now`."""
    earlier = {} if before is None else {_identity(each): each for each in before.domains}
    seconds = 0.0 if before is None else (now.taken_ns - before.taken_ns) / 1e9
    return [
        _row(each, earlier.get(_identity(each)), seconds)
        for each in now.domains
        if each.domain.domid is not None
    ]


def _identity(each: DomainStatistics) -> tuple[str, int | None]:
    return each.domain.uuid, each.domain.domid


def _row(now: DomainStatistics, before: DomainStatistics | None, seconds: float) -> Row:
    totals = total(now)
    row = Row(domain=now.domain, nics=len(now.nics), disks=len(now.disks), totals=totals)
    if before is None or seconds <= 0:
        return row
    then = total(before)

    def rate(name: str) -> float:
        # A device that was unplugged takes its counters with it: that is no negative traffic.
        return float(max(0, getattr(totals, name) - getattr(then, name))) / seconds

    used_ns = max(0, now.domain.cpu_time_ns - before.domain.cpu_time_ns)
    return Row(
        domain=row.domain,
        nics=row.nics,
        disks=row.disks,
        totals=totals,
        cpu_percent=used_ns / seconds / 1e7,
        rx_rate=rate("rx_bytes"),
        tx_rate=rate("tx_bytes"),
        read_rate=rate("read_sectors") * _SECTOR_BYTES,
        write_rate=rate("write_sectors") * _SECTOR_BYTES,
    )


def total(each: DomainStatistics) -> Totals:
    """The sums over a domain's devices."""
    return Totals(
        rx_bytes=sum(nic.rx_bytes for nic in each.nics),
        tx_bytes=sum(nic.tx_bytes for nic in each.nics),
        read_requests=sum(disk.read_requests for disk in each.disks),
        write_requests=sum(disk.write_requests for disk in each.disks),
        read_sectors=sum(disk.read_sectors for disk in each.disks),
        write_sectors=sum(disk.write_sectors for disk in each.disks),
        waits=sum(disk.waits for disk in each.disks),
    )
