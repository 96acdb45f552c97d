"""What the kernel says of disks that fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.devices.kernel_log import DiskError, parse

TAIL = "flags 0x8800 phys_seg 1 prio class 2"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (
            f"I/O error, dev loop1, sector 8 op 0x1:(WRITE) {TAIL}",
            DiskError("loop1", False, "I/O", "WRITE", 8),
        ),
        (
            f"critical space allocation error, dev dm-3, sector 0 op 0x1:(WRITE) {TAIL}",
            DiskError("dm-3", True, "critical space allocation", "WRITE", 0),
        ),
        (
            f"blk_update_request: I/O error, dev sda, sector 7 op 0x0:(READ) {TAIL}",
            DiskError("sda", False, "I/O", "READ", 7),
        ),
        ("loop1: detected capacity change from 0 to 32768", None),
    ],
)
def test_errors_of_disks_are_known(message: str, error: DiskError | None) -> None:
    assert parse(f"3,4711,99,-;{message}\n SUBSYSTEM=block\n".encode()) == error


def test_a_user_who_writes_into_the_log_is_not_believed() -> None:
    assert parse(b"11,1,99,-;I/O error, dev loop1, sector 8 op 0x1:(WRITE) flags 0x0\n") is None


@given(st.binary(max_size=200))
def test_anything_can_be_in_the_log(record: bytes) -> None:
    parse(record)
