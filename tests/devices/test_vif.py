"""When a vif's backend is answered, and with what."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.devices import vif
from domus.devices.backends import NO_SCRIPT, DeviceKind, DeviceRef
from domus.model.config import Nic
from domus.model.errors import BadInput

DEVICE = DeviceRef(DeviceKind.VIF, 3, 1)


def nodes(**changed: str | None) -> dict[str, str | None]:
    usual: dict[str, str | None] = {
        "script": NO_SCRIPT,
        "state": "2",
        "hotplug-status": None,
        "bridge": "xenbr0",
        "vifname": None,
        "mtu": "1500",
        "type": "vif",
    }
    return usual | {name.replace("_", "-"): value for name, value in changed.items()}


def test_a_waiting_vif_joins_its_bridge() -> None:
    join = vif.decide(DEVICE, nodes())
    assert join == vif.Join(DEVICE, "xenbr0", None, 1500, emulated=False)
    assert join.kernel_name == join.final_name == "vif3.1"


def test_a_vif_can_have_a_name_and_large_packets() -> None:
    join = vif.decide(DEVICE, nodes(vifname="web0", mtu="9000", type="vif_ioemu"))
    assert join == vif.Join(DEVICE, "xenbr0", "web0", 9000, emulated=True)
    assert join.final_name == "web0"


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "1"},
        {"state": "4"},
        {"state": None},
        {"script": "/etc/xen/scripts/vif-bridge"},
        {"hotplug_status": "connected"},
        {"hotplug_status": "error"},
    ],
)
def test_other_vifs_are_left_alone(changed: dict[str, str | None]) -> None:
    assert vif.decide(DEVICE, nodes(**changed)) is None


@pytest.mark.parametrize("changed", [{"bridge": None}, {"bridge": ""}, {"bridge": "-x"}, {"vifname": "a/b"}])
def test_a_vif_without_a_proper_bridge_and_name_is_refused(changed: dict[str, str | None]) -> None:
    with pytest.raises(BadInput):
        vif.decide(DEVICE, nodes(**changed))


@given(st.binary(min_size=3, max_size=3))
def test_chosen_macs_are_unicast_ones_of_xens_range(random: bytes) -> None:
    mac = vif.choose_mac(random)
    assert re.fullmatch(r"00:16:3e:[0-7][0-9a-f](:[0-9a-f]{2}){2}", mac)


def test_a_card_has_its_own_number_or_its_place() -> None:
    assert vif.devids((Nic(), Nic(devid=7), Nic())) == [0, 7, 2]
