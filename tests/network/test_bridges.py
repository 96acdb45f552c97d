"""Names of network devices reach `ip` only when they are names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.model.errors import BadInput, NotFound
from domus.network import bridges


@pytest.mark.parametrize("name", ["xenbr0", "vif3.0", "vif3.0-emu", "br_lan", "a", "eth0.100", "x" * 15])
def test_usual_names_pass(name: str) -> None:
    assert bridges.check_device_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "../lo", "a b", "x" * 16, "a/b", ".", "..", "ä", "a\n", "a:1"])
def test_what_ip_could_misread_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        bridges.check_device_name(name)


@given(st.text(max_size=20))
def test_no_name_leaves_the_directory_of_devices(name: str) -> None:
    try:
        checked = bridges.check_device_name(name)
    except BadInput:
        assert not bridges.exists(name)
    else:
        assert "/" not in checked
        assert not checked.startswith((".", "-"))
        assert len(checked) <= 15


def test_a_missing_bridge_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound, match=r"bridge 'nobridge0' does not exist \(this host has: .+\)"):
        bridges.require("nobridge0")


def test_a_device_that_is_no_bridge_does_not_pass_for_one() -> None:
    assert bridges.has_device("lo")
    assert not bridges.exists("lo")
    assert bridges.ports("lo") == set()
