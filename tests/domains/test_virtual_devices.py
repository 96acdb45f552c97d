"""Keyboards, displays and sound cards of running domains, on real Xen: as libxl has them, or not there.

No program that serves them is in Debian. Where one is needed, some shell in domain 0 says in XenStore what
such a backend says when it has seen a device; no guest uses one here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domus.client import Client
from domus.config import alone
from domus.lab.host import LabHost
from domus.model.config import DomainConfig, Vdispl, Vkb, Vsnd
from domus.model.errors import DomainNotFound, LibxlError, NotFound
from domus.model.live import DeviceInfo
from tests.conftest import TRACES, check_traces, traces
from tests.domains.guests import create, kill_xend

pytestmark = pytest.mark.lab

DEVICES: dict[str, Vkb | Vdispl | Vsnd] = {
    "vkb": alone.vkb("backend-type=linux,unique-id=K1,width=1024,height=768"),
    "vdispl": alone.vdispl("connectors=D1:1280x720;D2:800x600"),
    "vsnd": alone.vsnd(["CARD,short-name=card", "PCM,name=speaker", "STREAM,unique-id=S1,type=p"]),
}
#: what XenStore calls the frontend, and nodes that say what was asked for: the guest's, but a keyboard's
NODES = {
    "vkb": ("vkbd", {"width": "1024", "height": "768", "unique-id": "K1"}),
    "vdispl": ("vdispl", {"0/resolution": "1280x720", "1/unique-id": "D2"}),
    "vsnd": ("vsnd", {"short-name": "card", "0/name": "speaker", "0/0/type": "p"}),
}


#: the backend's processes come and go
WITHOUT_PROCESSES = [kind for kind in TRACES if kind != "processes"]

#: what a backend says: that it has seen a device, and that it is done with it (xen/io/xenbus.h, XenbusState)
BACKEND = """
answer() {
    xenstore-ls -f /local/domain/0/backend | grep -E "vinput|vdispl|vsnd" | sed -n "s|/state = \\"$1\\"||p" |
        while read -r device; do xenstore-write $device/state $2; done
}
for moment in $(seq 1200); do
    answer 1 2
    answer 5 6
    sleep 0.1
done
"""


@pytest.fixture
def backend(lab_host: LabHost) -> Iterator[None]:
    lab_host.put(BACKEND.encode(), "/root/backend")
    pid = lab_host.run(["sh", "-c", "sh /root/backend > /dev/null 2>&1 & echo $!"]).stdout.strip()
    yield
    lab_host.run(["kill", pid])


@pytest.fixture(scope="module")
def client(lab_host: LabHost, guest_config: DomainConfig) -> Iterator[Client]:
    with lab_host.client() as client:
        create(client, guest_config, paused=True)
        yield client


def written(host: LabHost, kind: str, device: DeviceInfo) -> dict[str, str]:
    """The nodes that libxl wrote."""
    frontend, wanted = NODES[kind]
    path = device.backend
    if kind != "vkb":
        path = f"/local/domain/{path.split('/')[-2]}/device/{frontend}/{device.devid}"
    found = host.run(["xenstore-read", *(f"{path}/{name}" for name in wanted)], check=False).stdout
    return dict(zip(wanted, found.split("\n"), strict=False))


@pytest.mark.parametrize("kind", DEVICES)
def test_it_is_offered_to_the_guest_listed_and_taken_away(
    lab_host: LabHost, client: Client, backend: None, kind: str
) -> None:
    before = traces(lab_host, *WITHOUT_PROCESSES)
    frontend, wanted = NODES[kind]
    client.finish(client.virtual_devices.attach("guest", DEVICES[kind]))
    (device,) = client.devices.list("guest", frontend)
    assert written(lab_host, kind, device) == wanted
    assert device.backend in lab_host.run(["xl", f"{kind}-list", "guest"]).stdout
    client.finish(client.virtual_devices.detach("guest", kind, device.devid))
    assert client.devices.list("guest", frontend) == []
    check_traces(lab_host, before)


def test_what_is_not_there_is_not_detached(client: Client) -> None:
    for kind in DEVICES:
        with pytest.raises(NotFound, match="Device 7 not connected"):
            client.virtual_devices.detach("guest", kind, 7)
    with pytest.raises(DomainNotFound, match="nowhere"):
        client.virtual_devices.attach("guest", Vdispl(backend_domain="nowhere"))


def test_one_that_nothing_serves_is_told_and_leaves_nothing(lab_host: LabHost, client: Client) -> None:
    before = traces(lab_host)
    with pytest.raises(LibxlError) as caught:
        client.finish(client.virtual_devices.attach("guest", DEVICES["vsnd"]))
    assert caught.value.hint == "no backend for vsnd runs in Domain-0"
    check_traces(lab_host, before)


def test_xend_killed_meanwhile_leaves_it_whole_or_not_there(lab_host: LabHost, client: Client) -> None:
    begun = client.virtual_devices.attach("guest", DEVICES["vdispl"])
    kill_xend(lab_host)
    ended = client.operation(begun.id)
    devices = client.devices.list("guest", "vdispl")
    assert len(devices) == (1 if ended.state == "done" else 0)
    for device in devices:
        client.finish(client.virtual_devices.detach("guest", "vdispl", device.devid, force=True))
