"""What QEMU counts, from an answer of QEMU 10 to query-blockstats."""

from __future__ import annotations

from domus.devices import qemu_counters
from domus.model.statistics import DiskCounters

STATS = {
    "rd_operations": 3,
    "rd_bytes": 12288,
    "wr_operations": 2,
    "wr_bytes": 1024,
    "failed_rd_operations": 0,
    "failed_wr_operations": 1,
    "failed_flush_operations": 1,
}


def test_a_disk_is_known_by_the_name_of_its_node() -> None:
    answer = [
        {"device": "", "node-name": "xvdb-qcow2", "stats": STATS},
        {"device": "ide0-cd1", "node-name": "#block12", "stats": STATS},
    ]
    counters = DiskCounters(
        devid=51728, read_requests=3, write_requests=2, read_sectors=24, write_sectors=2, failed=2
    )
    assert qemu_counters.parse(answer) == {51728: counters}
