"""xm's commands for devices, against a real guest; xl on the same host is the second opinion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from domus.lab.host import LabHost
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab

BLOCK_HEADER = "Vdev  BE handle state evt-ch ring-ref BE-path"
NETWORK_HEADER = "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref BE-path"


def xl_rows(host: LabHost, verb: str) -> list[list[str]]:
    """xl's rows, without the header, all fields apart."""
    lines = host.run(["xl", verb, "web"]).stdout.splitlines()[1:]
    return [line.replace("/", " ", 1).split() if "vif" in line else line.split() for line in lines]


def test_a_file_of_the_users_is_attached_in_both_spellings(
    xm: Xm, web: str, workplace: Path, lab_host: LabHost
) -> None:
    (workplace / "data.img").write_bytes(b"some data" + bytes(2**20 - 9))
    for words in (("file:data.img", "xvdb", "w"), ("data.img,raw,xvdb,w",), ("vdev=xvdb", "target=data.img")):
        done = xm("block-attach", web, *words)
        assert (done.stdout, done.stderr) == ("", "")
        lines = xm("block-list", web).stdout.splitlines()
        assert lines[0] == BLOCK_HEADER
        rows = [line.split() for line in lines[1:]]
        theirs = xl_rows(lab_host, "block-list")
        # handle: 0 unless the guest's half says so, in xm's column
        assert [[*row[:2], row[-1]] for row in rows] == [[*row[:2], row[-1]] for row in theirs]
        assert [row[0] for row in rows] == ["51712", "51728"]
        assert all(line.endswith("  ") for line in lines[1:])
        done = xm("block-detach", web, "vbd/51728" if "," in words[0] else "xvdb")
        assert (done.stdout, done.stderr) == ("", "")
    assert len(xm("block-list", web).stdout.splitlines()) == 2


def test_old_names_and_long_and_json(xm: Xm, web: str) -> None:
    done = xm("vbd-list", web)
    assert done.stderr == "Command vbd-list is deprecated.  Please use xm block-list instead.\n"
    assert done.stdout.startswith(BLOCK_HEADER)
    long = xm("block-list", "-l", web).stdout
    assert long.startswith("(51712\n    ((backend /local/domain/0/backend/vbd/")
    assert "        (virtual-device 51712)\n" in long
    (disk,) = json.loads(xm("block-list", "--json", web).stdout)
    assert (disk["kind"], disk["devid"], disk["backend_nodes"]["mode"]) == ("vbd", 51712, "w")
    for verb in ("block-list", "network-list", "vtpm-list"):
        assert xm(verb, "Domain-0").stdout == ""


def test_a_card_is_attached_listed_and_detached(xm: Xm, web: str, lab_host: LabHost) -> None:
    mac = "00:16:3e:01:02:03"
    xm("network-attach", web, "bridge=xenbr0", f"mac={mac.upper()}", "rate=10Mb/s", "vifname=web-second")
    lines = xm("vif-list", web).stdout.splitlines()
    assert lines[0] == NETWORK_HEADER
    assert re.fullmatch(rf"1   0  {mac}    \S+ .*/local/domain/0/backend/vif/\d+/1 *", lines[2])
    theirs = xl_rows(lab_host, "network-list")
    ours = [line.split() for line in lines[1:]]
    assert [[*row[:3], row[-1]] for row in ours] == [[*row[:3], row[-1]] for row in theirs]
    assert "web-second" in lab_host.run(["ls", "/sys/class/net/xenbr0/brif"]).stdout
    done = xm("network-detach", web, mac, "now")
    assert done.stdout == "Ignoring option now\n"
    assert "web-second" not in lab_host.run(["ls", "/sys/class/net"]).stdout
    assert len(xm("network-list", web).stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("block-attach nope file:/a xvdb w", 3, "Domain 'nope' does not exist."),
        ("block-attach 0 file:/a xvdb w", 1, "Cannot attach a disk to privileged domain Domain-0"),
        ("block-attach web file:/no.img xvdb w", 1, "xvdb: Disk image does not exist: /no.img"),
        ("block-attach web file:disk.img xvdc w", 1, "is in use for writing by domain 'web'"),
        ("block-attach web file:disk.img xvda w", 1, "Device xvda (51712, vbd) is already connected."),
        ("block-detach web xvdq", 1, "Device xvdq not connected"),
        ("block-configure web file:disk.img xvda w", 1, "Refusing to reconfigure device vbd:51712"),
        ("cd-eject web hdc", 1, "Device hdc not connected"),
        ("network-attach web bridge=nobr0", 1, "bridge 'nobr0' does not exist (this host has: xenbr0)"),
        ("network-detach web 5", 1, "Device 5 not connected"),
        ("network-detach web 00:16:3e:ff:ff:ff", 1, "Cannot find device '00:16:3e:ff:ff:ff' in domain 'web'"),
        ("network-detach web odd", 1, "unknown devid odd"),
        ("pci-attach web 00:1f.9", 1, "Failed to parse pci device: 00:1f.9"),
        ("pci-attach web 00:1f.6", 1, "pciback/pci-stub not loaded?"),
        ("pci-detach web 00:1f.6", 1, "pci: device 0000:00:1f.6 is not attached!"),
        ("pci-list-assignable-devices", 1, "pciback/pci-stub not loaded?"),
        ("pci-assignable-add 00:1f.6", 1, "pciback/pci-stub not loaded?"),
        ("usb-attach web 0 1 1-1", 1, "Cannot find device '0' in domain 'web'"),
        ("usb-detach web 0 1", 1, "Cannot find device '0' in domain 'web'"),
        ("usb-add web host:1.2", 1, "Can't add usb device to a non-hvm guest"),
        ("usb-hc-create web 9 8", 1, "Invalid argument."),
        ("vtpm-attach web backend=nope", 3, "Domain 'nope' does not exist."),
        ("vtpm-detach web 0", 1, "Device 0 not connected"),
    ],
)
def test_a_refusal_is_one_line_that_says_why(
    xm: Xm, web_once: str, words: str, status: int, message: str
) -> None:
    done = xm(*words.split(), check=False)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_lists_of_what_a_guest_does_not_have_are_empty(xm: Xm, web_once: str) -> None:
    for verb in ("pci-list", "usb-list", "vtpm-list", "channel-list", "vkb-list", "9p-list"):
        assert xm(verb, web_once).stdout == ""
    assert xm("usb-list-assignable-devices").stdout == ""
    assert "/local/domain/0/backend/console/" in xm("console-list", web_once).stdout


@pytest.fixture(scope="module")
def web_once(xm: Xm) -> str:
    """One guest for all tests that change nothing of it."""
    xm("create", "-q", "web.cfg")
    return "web"
