"""`xm host add`: certificates for a host of one's own, put into place, used, and asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from domus.lab.host import LabHost
from domus.model.errors import Unreachable
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab


def test_a_host_takes_the_certificates_that_host_add_made_and_no_others(
    xm: Xm, lab_host: LabHost, environment: dict[str, str]
) -> None:
    port = lab_host.record.api_port
    told = xm("host", "add", "rack1", f"127.0.0.1:{port}").stdout
    install = Path(environment["XDG_CONFIG_HOME"]) / "domus/hosts/rack1/install"
    assert str(install) in told
    before = xm("list", check=False, env={"XM_HOST": "rack1"})
    assert before.returncode == 1
    assert "certificate" in before.stderr
    for path in install.iterdir():
        lab_host.put(path.read_bytes(), f"/etc/domus/tls/{path.name}")
    lab_host.run(["sh", "-c", "kill -HUP $(cat /run/domus/xend.pid)"])
    until = time.monotonic() + 20
    while (done := xm("list", check=False, env={"XM_HOST": "rack1"})).returncode:
        assert time.monotonic() < until, done.stderr
        time.sleep(0.2)
    assert "Domain-0" in done.stdout
    with pytest.raises(Unreachable, match="certificate"):
        lab_host.client().calls.exchange.peer.connect()  # in TLS; its requests go over a line


def test_a_host_that_could_not_be_added_is_not_known(xm: Xm, environment: dict[str, str]) -> None:
    done = xm("host", "add", "rack2", "not an address:x", check=False)
    assert done.returncode == 1
    assert "rack2" not in xm("host", "list").stdout
