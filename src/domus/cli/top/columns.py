"""The columns of the screen: what each shows of a domain, and by what it sorts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from domus.cli.top.rates import Row

#: pictures that a history remembers, and so its columns
HISTORY: Final = 12

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_UNITS: Final = ("B", "K", "M", "G", "T")


class Column(NamedTuple):
    """One column of the table."""

    title: str
    text: Callable[[Row, Sequence[float]], str]  #: of a row and its history of CPU percent
    key: Callable[[Row], Any]
    left: bool = False  #: left-justified
    largest_first: bool = True


def sparkline(values: Iterable[float], *, full: float, width: int = HISTORY) -> str:
    """Values as blocks of eight heights, the latest at the right; `full` and more fill the cell.

    Anything above nothing can be seen: it is one eighth high at least.
    """
    shown = list(values)[-width:]
    cells = "".join(
        _BLOCKS[min(8, max(1, round(8 * value / full)))] if value > 0 and full > 0 else _BLOCKS[0]
        for value in shown
    )
    return f"{cells:>{width}}"


def amount(number: float) -> str:
    """Bytes in at most five columns: 0B, 823B, 1.2K, 45M."""
    for unit in _UNITS:
        if number < 999.5 or unit == _UNITS[-1]:
            digits = 1 if unit != "B" and number < 9.95 else 0
            return f"{number:.{digits}f}{unit}"
        number /= 1024
    raise AssertionError("the last unit takes every number")


def share(row: Row) -> float:
    """What fills the sparkline of a domain's CPU: all its VCPUs at work."""
    return 100.0 * max(1, row.domain.vcpus)


COLUMNS: Final = (
    Column("Name", lambda row, _: row.domain.name, lambda row: row.domain.name, True, False),
    Column("ID", lambda row, _: str(row.domain.domid), lambda row: row.domain.domid or 0, False, False),
    Column("State", lambda row, _: row.domain.state_letters, lambda row: str(row.domain.state), True, False),
    Column("CPU %", lambda row, _: f"{row.cpu_percent:.1f}", lambda row: row.cpu_percent),
    Column(
        "CPU lately",
        lambda row, history: sparkline(history, full=share(row)),
        lambda row: row.cpu_percent,
        True,
    ),
    Column("VCPUs", lambda row, _: str(row.domain.vcpus), lambda row: row.domain.vcpus),
    Column("MiB", lambda row, _: str(row.domain.memory_kib // 1024), lambda row: row.domain.memory_kib),
    Column("Rx/s", lambda row, _: _rate(row.nics, row.rx_rate), lambda row: row.rx_rate),
    Column("Tx/s", lambda row, _: _rate(row.nics, row.tx_rate), lambda row: row.tx_rate),
    Column("Read/s", lambda row, _: _rate(row.disks, row.read_rate), lambda row: row.read_rate),
    Column("Write/s", lambda row, _: _rate(row.disks, row.write_rate), lambda row: row.write_rate),
    Column(
        "Time(s)",
        lambda row, _: f"{row.domain.cpu_time_ns / 1e9:.0f}",
        lambda row: row.domain.cpu_time_ns,
    ),
)


def _rate(devices: int, rate: float) -> str:
    return amount(rate) if devices else "-"


class Histories:
    """What was seen of each domain lately."""

    def __init__(self) -> None:
        self._cpu: dict[str, deque[float]] = {}

    def note(self, rows: Iterable[Row]) -> None:
        """Remember a picture, and forget domains that are not in it."""
        present = list(rows)
        for row in present:
            self._cpu.setdefault(row.key, deque(maxlen=HISTORY)).append(row.cpu_percent)
        for gone in self._cpu.keys() - {row.key for row in present}:
            del self._cpu[gone]

    def cpu(self, row: Row) -> Sequence[float]:
        """CPU percent, the latest last."""
        return list(self._cpu.get(row.key, ()))


class Order(NamedTuple):
    """How the table is sorted, and which domains are in it."""

    column: int = 3  #: CPU %
    reversed: bool = False
    filter: str = ""

    def applied(self, rows: Iterable[Row]) -> list[Row]:
        """The rows to show, in their order; equal ones by name."""
        wanted = [row for row in rows if self.filter.lower() in row.domain.name.lower()]
        wanted.sort(key=lambda row: row.domain.name)
        chosen = COLUMNS[self.column]
        return sorted(wanted, key=chosen.key, reverse=chosen.largest_first != self.reversed)

    def moved(self, by: int) -> Order:
        """Sorted by a neighbouring column."""
        return self._replace(column=(self.column + by) % len(COLUMNS), reversed=False)
