"""What `xm lab net` takes for a time, a rate and a share; what these do to a host is in test_hosts."""

from __future__ import annotations

import pytest

from domus.lab import impairments
from domus.model.errors import BadInput


@pytest.mark.parametrize(
    ("text", "value"), [("50ms", 50.0), ("1.5s", 1500.0), ("200us", 0.2), ("0ms", 0.0), ("1S", 1000.0)]
)
def test_a_time_has_a_unit(text: str, value: float) -> None:
    assert impairments.milliseconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("512kbit", 512.0), ("10mbit", 10_000.0), ("0kbit", 0.0)])
def test_a_rate_has_a_unit(text: str, value: float) -> None:
    assert impairments.kilobits(text) == value


@pytest.mark.parametrize(("text", "value"), [("5%", 5.0), ("0.1", 0.1)])
def test_a_share_is_a_percentage(text: str, value: float) -> None:
    assert impairments.percent(text) == value


@pytest.mark.parametrize(
    "text", ["", "50", "ms", "-5ms", "5 ms", "1e3ms", "5m", "50ms; reboot", "٣ms", "9" * 20]
)
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        impairments.milliseconds(text)
    assert "\n" not in refused.value.for_user()
