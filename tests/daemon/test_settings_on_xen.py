"""xend on a real host with the old xend's settings: they apply, or are answered in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from domus.model.api import CreateRequest

if TYPE_CHECKING:
    from domus.lab.host import LabHost
    from domus.model.config import DomainConfig

pytestmark = pytest.mark.lab

OLD = """(loglevel DEBUG)
(xend-relocation-port 8002)
(vif-script 'vif-bridge bridge=guests0')
"""

#: ends xend, and waits until the one that init starts instead listens
RESTART = """
old=$(cat /run/domus/xend.pid); kill $old
while kill -0 $old 2>/dev/null; do sleep 0.1; done
for i in $(seq 300); do
    new=$(cat /run/domus/xend.pid)
    [ -S /run/domus/xend.sock ] && [ "$new" != "$old" ] && kill -0 "$new" && break
    sleep 0.5
done 2>/dev/null
"""


def test_the_old_settings_apply_and_what_is_gone_is_logged(
    lab_host: LabHost, guest_config: DomainConfig
) -> None:
    lab_host.run(["ip", "link", "add", "guests0", "type", "bridge"])
    lab_host.put(OLD.encode(), "/etc/xen/xend-config.sxp")
    lab_host.run(["sh", "-c", RESTART], within=200)
    nics = (msgspec.structs.replace(guest_config.nics[0], bridge=None),)
    with lab_host.client() as client:
        operation = client.create(
            CreateRequest(config=msgspec.structs.replace(guest_config, nics=nics), paused=True)
        )
        client.finish(operation)
        domid = client.domain("guest").domid
        ports = lab_host.run(["ls", "/sys/class/net/guests0/brif"]).stdout.split()
        log = client.log()
        client.finish(client.destroy("guest"))
    assert ports == [f"vif{domid}.0"]
    assert "WARNING (__main__" in log
    assert "xend-config.sxp:2:1: xend-relocation-port means nothing today" in log
