"""Changed paths of XenStore are told apart by what they are about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.devices.backends import (
    ROOT,
    BackendState,
    DeviceKind,
    DeviceRef,
    Everything,
    OfDevice,
    OfDomain,
    parse,
)

VBD = DeviceRef(DeviceKind.VBD, 3, 51712)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (ROOT, Everything()),
        (f"{ROOT}/vbd", OfDomain(DeviceKind.VBD, None)),
        (f"{ROOT}/vif/7", OfDomain(DeviceKind.VIF, 7)),
        (VBD.path, OfDevice(VBD, None)),
        (f"{VBD.path}/state", OfDevice(VBD, "state")),
        (f"{VBD.path}/some/deeper", None),
        (f"{ROOT}/console/3/0/state", None),
        (f"{ROOT}/vbd/x/51712", None),
        (f"{ROOT}/vbd/3/٣", None),
        ("/local/domain/3/device/vbd/51712/state", None),
    ],
)
def test_a_path_is_about_one_device_at_most(path: str, change: object) -> None:
    assert parse(path) == change


@given(
    st.sampled_from(DeviceKind),
    st.integers(0, 0x7FEF),
    st.integers(0, (1 << 31) - 1),
    st.from_regex(r"[a-z-]+", fullmatch=True),
)
def test_a_devices_own_paths_lead_back_to_it(kind: DeviceKind, domid: int, devid: int, node: str) -> None:
    device = DeviceRef(kind, domid, devid)
    assert parse(device.path) == OfDevice(device, None)
    assert parse(f"{device.path}/{node}") == OfDevice(device, node)


@given(st.text(max_size=60))
def test_any_text_is_a_change_or_nothing(path: str) -> None:
    parse(path)
    parse(f"{ROOT}/{path}")


@pytest.mark.parametrize(
    ("text", "state"), [("2", BackendState.INIT_WAIT), (None, 0), ("9", 0), ("-1", 0), ("x", 0)]
)
def test_a_state_that_is_none_is_unknown(text: str | None, state: int) -> None:
    assert BackendState.parse(text) == state
