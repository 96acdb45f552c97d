"""Counters of back ends, from the kernel's own texts."""

from __future__ import annotations

from pathlib import Path

from domus.devices import counters
from domus.model.statistics import DiskCounters, NicCounters

# as Linux 6.12 prints it in a domain 0
TABLE = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  eth0: 6725      47    0    0    0     0          0         0    11021      64    0    0    0     0       0          0
vif1.1:     796      13    0    1    0     0          0         0     2738      37    2    3    0     0       0          0
vif1.0:5       1    0    0    0     0          0         0     7      1    0    0    0     0       0          0
vif12.0:       1       1    0    0    0     0          0         0     2      1    0    0    0     0       0          0
vif12.0-emu:  10      1    0    0    0     0          0         0     20      1    0    0    0     0       0          0
vifx.0:       1       1    0    0    0     0          0         0     2      1    0    0    0     0       0          0
vif9.0:       1       1
"""  # noqa: E501


def test_what_dom0_received_is_what_the_guest_sent(tmp_path: Path) -> None:
    table = tmp_path / "dev"
    table.write_text(TABLE)
    assert counters.nics(table) == {
        1: (
            NicCounters(devid=0, rx_bytes=7, rx_packets=1, tx_bytes=5, tx_packets=1),
            NicCounters(
                devid=1,
                rx_bytes=2738,
                rx_packets=37,
                rx_errors=2,
                rx_dropped=3,
                tx_bytes=796,
                tx_packets=13,
                tx_dropped=1,
            ),
        ),
        12: (NicCounters(devid=0, rx_bytes=22, rx_packets=2, tx_bytes=11, tx_packets=2),),
    }


def test_a_host_without_devices_has_no_counters(tmp_path: Path) -> None:
    assert counters.nics(tmp_path / "none") == {}
    assert counters.disks(tmp_path / "none") == {}


def test_disks_are_counted_and_a_half_gone_one_is_left_out(tmp_path: Path) -> None:
    for name, values in (("vbd-3-51712", (1, 2, 3, 4, 5)), ("vbd-3-51728", (1, 2)), ("vif-3-0", (1,) * 5)):
        statistics = tmp_path / name / "statistics"
        statistics.mkdir(parents=True)
        for file, value in zip(("rd_req", "wr_req", "rd_sect", "wr_sect", "oo_req"), values, strict=False):
            (statistics / file).write_text(f"{value}\n")
    assert counters.disks(tmp_path) == {
        3: (
            DiskCounters(
                devid=51712,
                read_requests=1,
                write_requests=2,
                read_sectors=3,
                write_sectors=4,
                waits=5,
            ),
        )
    }
