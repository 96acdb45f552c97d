"""A guest that writes what it likes where it may: nobody believes it, and nobody is harmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.lab.host import LabHost
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab

#: what a guest can write into its own part of XenStore (from domain 0 here, where it lands just the same)
HOSTILE = r"""
home=/local/domain/$1
for device in vbd/51712 vif/0; do
    xenstore-write $home/device/$device/backend /local/domain/0/backend/$2
    xenstore-write $home/device/$device/backend-id 4294967295
    xenstore-write $home/device/$device/state "$(printf '\033]0;evil\007\033[31m')"
    xenstore-write $home/device/$device/ring-ref ../../../../etc/passwd
    xenstore-write $home/device/$device/event-channel "$(printf '9%.0s' $(seq 2000))"
done
xenstore-write $home/device/vif/0/mac "$(printf 'x\n\033[2J')"
xenstore-write $home/data/updated '$(reboot)'
xenstore-write $home/control/shutdown "$(printf '\033[31m; reboot')"
xenstore-write $home/device/vbd/none/backend /
"""


@pytest.fixture
def two(xm: Xm, workplace: Path, lab_host: LabHost) -> Iterator[tuple[str, str]]:
    """Two paused guests, each with a disk and a card; their domids."""
    (workplace / "other.img").write_bytes(bytes(2**20))
    xm("create", "-qp", "web.cfg")
    xm("create", "-qp", "web.cfg", "name=other", "disk=file:other.img,xvda,r")
    yield xm("domid", "web").stdout.strip(), xm("domid", "other").stdout.strip()
    for name in ("web", "other"):
        xm("destroy", name, check=False)


def nodes(host: LabHost, path: str) -> str:
    return str(host.run(["xenstore-ls", path], check=False).stdout)


def test_what_a_guest_writes_into_xenstore_harms_nobody(
    xm: Xm, lab_host: LabHost, leaves_nothing: None, two: tuple[str, str]
) -> None:
    mine, other = two
    before = nodes(lab_host, f"/local/domain/0/backend/vbd/{other}")
    lab_host.run(["sh", "-c", HOSTILE, "sh", mine, f"vbd/{other}/51712"])
    for words in (
        ("list",),
        ("list", "--long"),
        ("list", "--json"),
        ("block-list", "web"),
        ("block-list", "-l", "web"),
        ("network-list", "web"),
        ("network-list", "--json", "web"),
        ("vcpu-list",),
        ("uptime",),
        ("console-list", "web"),
        ("top", "--batch", "-i", "1"),
    ):
        done = xm(*words)
        assert "\x1b" not in done.stdout + done.stderr, words
        assert "\x07" not in done.stdout + done.stderr, words
    # Its device is taken away, and not the one that it has pointed to.
    xm("block-detach", "-f", "web", "xvda", check=False)
    xm("destroy", "web")
    assert nodes(lab_host, f"/local/domain/0/backend/vbd/{other}") == before
    assert nodes(lab_host, f"/local/domain/0/backend/vbd/{mine}") == ""
    assert json.loads(xm("list", "--json", "other").stdout)[0]["paused"]
    assert "\x1b" not in lab_host.run(["cat", "/var/log/xen/xend.log"]).stdout
    # Nothing in XenStore belongs to the dead any more.
    listed = lab_host.run(["xenstore-ls", "-fp"]).stdout
    assert [line for line in listed.splitlines() if f"(n{mine}," in line or f"r{mine})" in line] == []
    xm("destroy", "other")


def test_a_password_is_in_no_log_and_no_event(xm: Xm, lab_host: LabHost) -> None:
    password = "vErY-sEcReT-1"  # noqa: S105 - a test's own
    xm("new", "-q", "web.cfg", f"vfb=type=vnc,vncpasswd={password}", "name=screened")
    try:
        xm("config", "set", "screened", "memory=100")
        assert password in xm("config", "show", "screened").stdout
        assert password not in lab_host.run(["sh", "-c", "cat /var/log/xen/xend.log*"]).stdout
        assert password not in xm("events", "--json").stdout
        assert password not in xm("log").stdout
        mode = lab_host.run(["stat", "-c", "%a", "/var/lib/domus"]).stdout.strip()
        assert mode == "700"  # where it is kept
    finally:
        xm("delete", "screened")
