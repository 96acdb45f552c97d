"""`xm doctor` on a host that is broken in many ways at once: it names each, and nothing once mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from domus.model.doctor import Examination, Finding, Severity

if TYPE_CHECKING:
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

GONE = "11111111-2222-3333-4444-555555555555"


class Fault(NamedTuple):
    """How a host is broken, how it is whole again, and what is said meanwhile."""

    breaks: str
    mends: str
    check: str
    severity: Severity
    said: str
    advice: str


FAULTS = {
    "a loop device of nobody": Fault(
        "truncate -s 1M /root/old.img; losetup /dev/loop7 /root/old.img",
        "losetup -d /dev/loop7; rm /root/old.img",
        "leftovers",
        Severity.WARNING,
        "/dev/loop7 holds /root/old.img, for nobody",
        "losetup -d /dev/loop7",
    ),
    "a back end of a dead domain": Fault(
        "xenstore-write /local/domain/0/backend/vbd/77/51712/state 4",
        "xenstore-rm /local/domain/0/backend/vbd/77",
        "leftovers",
        Severity.WARNING,
        "XenStore has vbd backends for domain 77, which is gone",
        "xenstore-rm /local/domain/0/backend/vbd/77",
    ),
    "userdata of a dead domain": Fault(
        f"touch /var/lib/xen/userdata-d.77.{GONE}.libxl-json",
        f"rm /var/lib/xen/userdata-d.77.{GONE}.libxl-json",
        "leftovers",
        Severity.WARNING,
        f"/var/lib/xen/userdata-d.77.{GONE}.libxl-json is of a domain that is gone",
        f"rm '/var/lib/xen/userdata-d.77.{GONE}.libxl-json'",
    ),
    "a dead domain's VM": Fault(
        f"xenstore-write /vm/{GONE}/name old",
        f"xenstore-rm /vm/{GONE}",
        "leftovers",
        Severity.NOTE,
        f"XenStore has /vm/{GONE} of no domain",
        f"xenstore-rm /vm/{GONE}",
    ),
    "no xenconsoled": Fault(
        "kill $(cat /run/xenconsoled.pid); while kill -0 $(cat /run/xenconsoled.pid); do sleep 0.1; done",
        "$(ls /usr/lib/xen-*/bin/xenconsoled) --pid-file=/run/xenconsoled.pid --log=none",
        "daemons",
        Severity.ERROR,
        "xenconsoled does not run",
        "systemctl start xenconsoled",
    ),
    "no name of domain 0": Fault(
        "xenstore-rm /local/domain/0/name",
        "xenstore-write /local/domain/0/name Domain-0",
        "daemons",
        Severity.WARNING,
        "domain 0 has no name in XenStore",
        "xen-init-dom0",
    ),
    "xl devd": Fault(
        "xl devd -p /root/devd.pid",
        "kill $(cat /root/devd.pid)",
        "interference",
        Severity.ERROR,
        "'xl devd' runs here",
        "it is for driver domains",
    ),
    "libvirtd": Fault(
        "cp /usr/bin/sleep /root/libvirtd; /root/libvirtd 600 & echo $! > /root/libvirtd.pid",
        "kill $(cat /root/libvirtd.pid); rm /root/libvirtd",
        "interference",
        Severity.WARNING,
        "libvirtd runs",
        "systemctl disable --now libvirtd",
    ),
    "xendomains": Fault(
        "mkdir -p /run/lock; touch /run/lock/xendomains",
        "rm /run/lock/xendomains",
        "interference",
        Severity.WARNING,
        "xendomains has started domains",
        "systemctl disable --now xendomains",
    ),
    "udev's rules": Fault(
        "mkdir -p /etc/udev/rules.d; touch /etc/udev/rules.d/xen-backend.rules",
        "rm /etc/udev/rules.d/xen-backend.rules",
        "interference",
        Severity.ERROR,
        "/etc/udev/rules.d/xen-backend.rules lets udev run hotplug scripts",
        "rm /etc/udev/rules.d/xen-backend.rules",
    ),
    "a bridge that is down": Fault(
        "ip link add idle0 type bridge; ip link set idle0 type bridge stp_state 1",
        "ip link del idle0",
        "bridges",
        Severity.WARNING,
        "bridge idle0 is down",
        "ip link set idle0 up",
    ),
    "a missing driver": Fault(
        "rmmod tun",
        "modprobe tun",
        "kernel",
        Severity.NOTE,
        "/dev/net/tun is not there",
        "modprobe tun",
    ),
    "a socket for everybody": Fault(
        "chmod 666 /run/domus/xend.sock",
        "chmod 660 /run/domus/xend.sock",
        "security",
        Severity.ERROR,
        "everybody of this host may use /run/domus/xend.sock",
        "chmod o= /run/domus/xend.sock",
    ),
    "a key for everybody": Fault(
        "chmod 644 /etc/domus/tls/host.key",
        "chmod 600 /etc/domus/tls/host.key",
        "security",
        Severity.ERROR,
        "/etc/domus/tls/host.key can be read by others",
        "chmod 600 /etc/domus/tls/host.key",
    ),
    "a hook that anybody can write": Fault(
        "mkdir -p /etc/xen/hooks.d; touch /etc/xen/hooks.d/mail; chmod 777 /etc/xen/hooks.d/mail",
        "rm -r /etc/xen/hooks.d",
        "security",
        Severity.ERROR,
        "everybody may write /etc/xen/hooks.d/mail, which root acts on",
        "chmod go-w '/etc/xen/hooks.d/mail'",
    ),
    "a password that anybody can read": Fault(
        "echo \"vfb = ['vnc=1,vncpasswd=tellnobody']\" > /etc/xen/desk.cfg",
        "rm /etc/xen/desk.cfg",
        "security",
        Severity.WARNING,
        "everybody may read the VNC password in /etc/xen/desk.cfg",
        "chmod o= '/etc/xen/desk.cfg'",
    ),
    "settings that are wrong": Fault(
        "printf '[log]\\nlevel = 7\\n' > /etc/xen/xend.toml",
        "rm /etc/xen/xend.toml",
        "settings",
        Severity.ERROR,
        "the next xend will not start: /etc/xen/xend.toml:2:1: log.level is a text in quotes",
        "xm xend-config check",
    ),
    "displays for everybody": Fault(
        "echo '(vnc-listen 0.0.0.0)' > /etc/xen/xend-config.sxp",
        "rm /etc/xen/xend-config.sxp",
        "settings",
        Severity.WARNING,
        "VNC displays of guests listen on 0.0.0.0 without a password (/etc/xen/xend-config.sxp:1)",
        "set guests.vnc_password",
    ),
    "the old xend's port": Fault(
        "busybox nc -l -p 8002 </dev/zero >/dev/null & echo $! > /root/nc.pid; sleep 1",
        "kill $(cat /root/nc.pid)",
        "security",
        Severity.ERROR,
        "port 8002 is open to other hosts",
        "ss -tlnp",
    ),
}


def doctor(host: LabHost) -> Examination:
    with host.client() as client:
        return client.doctor()


@pytest.fixture(scope="module")
def healthy(lab_host: LabHost) -> Examination:
    """The host as it came."""
    return doctor(lab_host)


@pytest.fixture(scope="module")
def broken(lab_host: LabHost, healthy: Examination) -> Iterator[Examination]:
    """The same host with all faults; whole again when the module's tests are over."""
    for fault in FAULTS.values():
        lab_host.run(["sh", "-c", f"({fault.breaks}) >/dev/null 2>&1"], check=False)
    yield doctor(lab_host)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_with_the_way_to_mend_it(broken: Examination, name: str) -> None:
    fault = FAULTS[name]
    found = [each for each in broken.findings if fault.said in each.what]
    assert [(each.check, each.severity) for each in found] == [(fault.check, fault.severity)]
    assert fault.advice in found[0].mend


def test_the_worst_comes_first_and_nothing_is_told_twice(broken: Examination) -> None:
    severities = [list(Severity).index(each.severity) for each in broken.findings]
    assert severities == sorted(severities)
    assert len({each.what for each in broken.findings}) == len(broken.findings)


def test_the_command_exits_with_1_and_prints_the_same(lab_host: LabHost, broken: Examination) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "domus.cli", "doctor", "--json"],
        env={**os.environ, "XM_HOST": f"lab:{lab_host.name}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["host"]["machine"] == lab_host.name
    assert {each["what"] for each in told["host"]["findings"]} == {each.what for each in broken.findings}
    assert told["machine"]["checks"] == ["certificates", "lab"]


def test_a_whole_host_and_a_mended_one_have_no_errors(
    lab_host: LabHost, healthy: Examination, broken: Examination
) -> None:
    assert not broken.healthy

    def serious(examined: Examination) -> list[Finding]:
        return [each for each in examined.findings if each.severity is not Severity.NOTE]

    assert serious(healthy) == []
    for fault in FAULTS.values():
        lab_host.run(["sh", "-c", f"({fault.mends}) >/dev/null 2>&1"], check=False)
    assert doctor(lab_host) == healthy
