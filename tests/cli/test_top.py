"""What `xm top` makes of counters: rates, xentop's columns, the order of the screen."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from domus.cli.main import main
from domus.cli.top import batch
from domus.cli.top.columns import HISTORY, Histories, Order, amount, sparkline
from domus.cli.top.rates import rows
from domus.model.domain import DomainInfo, RunState
from domus.model.statistics import DiskCounters, DomainStatistics, NicCounters, Statistics

SECOND = 1_000_000_000


def domain(name: str, domid: int = 1, *, cpu_s: float = 0, **fields: Any) -> DomainStatistics:
    devices = {key: fields.pop(key) for key in ("nics", "disks") if key in fields}
    info = DomainInfo(
        name=name,
        domid=domid,
        uuid=f"uuid-of-{name}",
        state=RunState.BLOCKED,
        blocked=True,
        cpu_time_ns=round(cpu_s * SECOND),
        memory_kib=98304,
        max_kib=99328,
        vcpus=2,
        **fields,
    )
    return DomainStatistics(domain=info, **devices)


def look(at_s: float, *domains: DomainStatistics) -> Statistics:
    return Statistics(
        taken_ns=round(at_s * SECOND),
        time=at_s,
        host="host",
        xen_version="4.20.0",
        cpus=2,
        cpu_mhz=2000,
        total_kib=1572864,
        free_kib=0,
        domains=domains,
    )


def test_rates_are_differences_over_the_hosts_own_time() -> None:
    before = look(
        10,
        domain("a", cpu_s=1, nics=(NicCounters(devid=0, rx_bytes=500),), disks=(DiskCounters(devid=51712),)),
    )
    now = look(
        14,
        domain(
            "a",
            cpu_s=7,
            nics=(NicCounters(devid=0, rx_bytes=4500, tx_bytes=8), NicCounters(devid=1, tx_bytes=4)),
            disks=(DiskCounters(devid=51712, read_sectors=80, write_sectors=8),),
        ),
    )
    (row,) = rows(now, before)
    assert (row.cpu_percent, row.rx_rate, row.tx_rate) == (150, 1000, 3)
    assert (row.read_rate, row.write_rate) == (80 * 512 / 4, 8 * 512 / 4)


@pytest.mark.parametrize("before", [None, look(3), look(3, domain("a", domid=7, cpu_s=9))])
def test_a_domain_that_was_not_there_before_has_no_rates(before: Statistics | None) -> None:
    (row,) = rows(look(5, domain("a", domid=8, cpu_s=10)), before)
    assert row.cpu_percent == 0


def test_an_unplugged_card_makes_no_negative_traffic() -> None:
    before = look(1, domain("a", nics=(NicCounters(devid=0, rx_bytes=5000),)))
    (row,) = rows(look(2, domain("a")), before)
    assert (row.rx_rate, row.nics) == (0, 0)


def test_batch_is_by_name_and_cuts_names_as_xentop_does() -> None:
    card = NicCounters(devid=0, rx_bytes=2738, tx_bytes=796)
    disk = DiskCounters(devid=51712, read_requests=2, read_sectors=40)
    now = look(
        1, domain("guestb-with-a-long-name", 2, cpu_s=14.9, nics=(card,), disks=(disk,)), domain("A", 3)
    )
    assert [" ".join(line.split()) for line in batch.text(now, rows(now, None)).splitlines()[1:]] == [
        "A --b--- 0 0.0 98304 6.2 99328 6.3 2 0 0 0 0 0 0 0 0 0 0",
        "guestb-wit --b--- 14 0.0 98304 6.2 99328 6.3 2 1 2 0 1 0 2 0 40 0 0",
    ]
    assert "\nguestb-with-a-long-name --b--- " in batch.text(now, rows(now, None), full_names=True)


def test_batch_json_is_one_line_with_rates() -> None:
    line = batch.as_json(look(1, domain("a")), rows(look(2, domain("a", cpu_s=1)), look(1, domain("a"))))
    assert line.count("\n") == 1
    (facts,) = json.loads(line)["domains"]
    assert (facts["name"], facts["cpu_percent"], facts["rx_rate"]) == ("a", 100, 0)


def test_a_sparkline_shows_the_latest_at_the_right() -> None:
    assert sparkline([0, 1, 50, 100, 250], full=100) == f"{' ▁▄██':>{HISTORY}}"
    assert sparkline(range(100), full=0) == " " * HISTORY


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1.0K"), (10239, "10K"), (1 << 20, "1.0M"), (1 << 60, "1048576T")],
)
def test_amounts_are_short(number: float, text: str) -> None:
    assert amount(number) == text


def test_the_order_is_by_a_column_and_filtered_by_names() -> None:
    now = look(2, domain("web1", 1, cpu_s=1), domain("db", 2, cpu_s=3), domain("Web2", 3, cpu_s=2))
    picture = rows(now, look(1, domain("web1", 1), domain("db", 2), domain("Web2", 3)))

    def names(order: Order) -> list[str]:
        return [row.domain.name for row in order.applied(picture)]

    assert names(Order()) == ["db", "Web2", "web1"]
    assert names(Order(reversed=True)) == ["web1", "Web2", "db"]
    assert names(Order(filter="web")) == ["Web2", "web1"]
    assert names(Order().moved(-2)) == ["web1", "db", "Web2"]
    assert Order(column=0).moved(-1).moved(1) == Order(column=0)


def test_histories_forget_domains_that_went() -> None:
    histories = Histories()
    first = rows(look(1, domain("a")), None)
    histories.note(first)
    histories.note([])
    assert list(histories.cpu(first[0])) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("top x", "'xm top' takes no domains: / filters them on the screen"),
        ("top -b -i 0", "-i is a number of pictures, not '0'"),
        ("top -b -d no", "-d is a number of seconds from 0.1 on, not 'no'"),
        ("top -i 2", "-i is for --batch"),
        ("top", "xm top wants a terminal ('xm top --batch' prints lines)"),
    ],
)
def test_wrong_command_lines(capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    assert main(line.split()) == 1
    assert re.match(re.escape(f"Error: {message}\n"), capsys.readouterr().err)
