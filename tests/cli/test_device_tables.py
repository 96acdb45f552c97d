"""Lists of devices, to the last space: scripts have parsed these rows since Xen 3."""

from __future__ import annotations

from domus.cli import block, network, pci, usb, virtual_devices
from domus.model.live import DeviceInfo, HostUsb, PciInfo, UsbControllerInfo, UsbPort


def device(kind: str, devid: int, **nodes: str) -> DeviceInfo:
    return DeviceInfo(
        kind=kind,
        devid=devid,
        backend_domid=0,
        backend=f"/local/domain/0/backend/{kind}/3/{devid}",
        state=4,
        frontend_nodes={name.replace("_", "-"): value for name, value in nodes.items()},
    )


def test_a_disk() -> None:
    disk = device("vbd", 51712, event_channel="10", ring_ref="8")
    assert block.row(disk) == "51712  0    0     4      10     8     /local/domain/0/backend/vbd/3/51712  "


def test_a_card() -> None:
    card = device("vif", 0, mac="00:16:3e:1b:e8:18", event_channel="11", tx_ring_ref="768", rx_ring_ref="769")
    assert network.row(card) == (
        "0   0  00:16:3e:1b:e8:18    0     4      11    768  /769     /local/domain/0/backend/vif/3/0  "
    )


def test_a_tpm() -> None:
    tpm = device("vtpm", 0, event_channel="12", ring_ref="9")
    assert virtual_devices.vtpm_row(tpm) == (
        "0     0    0     4      12     9     /local/domain/0/backend/vtpm/3/0  "
    )


def test_what_a_guest_wrote_that_is_no_number_is_not_shown() -> None:
    disk = DeviceInfo(
        kind="vbd", devid=1, backend_domid=-1, backend="", state=0,
        frontend_nodes={"event-channel": "1e9", "ring-ref": "9" * 30},
    )  # fmt: skip
    assert block.row(disk) == f"1      -1   0     0      -1     -1    {'??':<30}  "


def test_pci_devices_by_their_slot_in_the_guest() -> None:
    first, second = (
        PciInfo(domain=0, bus=4, device=0x1D, function=1),
        PciInfo(domain=0, bus=3, device=0, function=0),
    )
    assert pci.table([first, second]) == "Device\n0000:03:00.0\n0000:04:1d.1\n"
    placed = PciInfo(domain=0, bus=9, device=0, function=0, vdevfn=0x28)
    assert pci.table([first, placed]) == "Vdev Device\n05.0 0000:09:00.0\n-    0000:04:1d.1\n"
    assert pci.table([]) == ""


def test_a_usb_controller_with_what_is_plugged_into_it() -> None:
    controller = UsbControllerInfo(
        devid=0, kind="pv", backend_domid=0, state=4, version=2, backend="/local/domain/0/backend/vusb/3/0",
        ports=(UsbPort(port=1, bus=1, address=8), UsbPort(port=2), UsbPort(port=3, bus=2, address=5)),
    )  # fmt: skip
    mouse = HostUsb(
        path="1-8", bus=1, address=8, vendor="046d", product="c077", text="Logitech USB Optical Mouse"
    )
    assert usb.table([controller], [mouse]) == (
        "Idx BE  state usb-ver  BE-path                       \n"
        "0   0   4     USB2.0  /local/domain/0/backend/vusb/3/0  \n"
        "port 1: 1-8 [ID 046d:c077 Logitech USB Optical Mouse]\n"
        "port 2: \n"
        "port 3: Bus 002 Device 005\n"
    )
