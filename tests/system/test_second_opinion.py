"""What xm says of a PV, a PVH and an HVM guest is what xl says of them on the same host.

The guests are paused, so that nothing changes between the two questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from domus.lab.host import LabHost
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab

KINDS = ("pv", "pvh", "hvm")

Rows = list[list[str]]


@pytest.fixture(scope="module")
def guests(xm: Xm, lab_host: LabHost) -> Iterator[None]:
    """One paused guest of each kind, called after it, each with a disk and a card."""
    for kind in KINDS:
        lab_host.run(["truncate", "-s", "4M", f"/root/{kind}.img"])
        xm(
            *("create", "-q", "-p", "/dev/null", f"name={kind}", f"type={kind}", "memory=96", "maxmem=128"),
            *("vcpus=1", "maxvcpus=2", "kernel=kernel", "ramdisk=initrd", "cpus=1", "cpu_weight=300"),
            f"disk=file:/root/{kind}.img,xvda,w",
            "vif=bridge=xenbr0",
        )
    yield
    for kind in KINDS:
        xm("destroy", kind)


def words(text: str) -> Rows:
    """The rows of a table without its header, as words."""
    lines = [
        line for line in text.splitlines() if not line.startswith("Cpupool ")
    ]  # xl says it before a table
    return sorted(line.split() for line in lines[1:])


def columns(*wanted: int) -> Any:
    """Of each row only those words that both programs print alike."""
    return lambda rows: sorted([row[place] for place in wanted] for row in rows)


#: a command; which of its columns both have, in xm's places and in xl's
TABLES = (
    ("list", columns(0, 1, 2, 3, 4), columns(0, 1, 2, 3, 4)),
    ("vcpu-list", columns(0, 1, 2), columns(0, 1, 2)),
    ("sched-credit2", columns(0, 1, 2), columns(0, 1, 2)),
    ("cpupool-list", columns(0, 1, 2, 3, 4), columns(0, 1, 2, 3, 4)),
    ("cpupool-list -c", columns(0, 1), columns(0, 1)),
    ("claims", columns(0, 1, 2, 3, -1), columns(0, 1, 2, 3, -1)),
    ("sharing", columns(0, 1, -1), columns(0, 1, -1)),
    ("uptime", columns(0, 1), columns(0, 1)),
)


@pytest.mark.parametrize(("line", "ours", "theirs"), TABLES, ids=[row[0] for row in TABLES])
def test_tables_of_all_domains(
    xm: Xm, guests: None, lab_host: LabHost, line: str, ours: Any, theirs: Any
) -> None:
    def steady(rows: Rows) -> Rows:
        # Domain 0 runs, or waits, or neither, whenever one looks.
        return [
            ["" if row[0] == "Domain-0" and word.endswith("-----") else word for word in row] for row in rows
        ]

    found = steady(ours(words(xm(*line.split()).stdout)))
    assert found == steady(theirs(words(lab_host.run(["xl", *line.split()]).stdout)))
    assert found


def test_guests_and_their_uuids(xm: Xm, guests: None, lab_host: LabHost) -> None:
    theirs = [row for row in words(lab_host.run(["xl", "vm-list"]).stdout) if row[1] != "0"]
    assert words(xm("vm-list").stdout) == theirs
    assert sorted(row[2] for row in theirs) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_ids(xm: Xm, guests: None, lab_host: LabHost, kind: str) -> None:
    domid = xm("domid", kind).stdout.strip()
    assert domid == lab_host.run(["xl", "domid", kind]).stdout.strip()
    assert (
        xm("domname", domid).stdout.strip() == lab_host.run(["xl", "domname", domid]).stdout.strip() == kind
    )
    assert xm("domstate", kind).stdout == "paused\n"
    assert lab_host.run(["xl", "list", kind]).stdout.split()[-2] == "--p---"


@pytest.mark.parametrize("kind", KINDS)
def test_where_vcpus_may_run(xm: Xm, guests: None, lab_host: LabHost, kind: str) -> None:
    ours = [row[-1] for row in words(xm("vcpu-list", kind).stdout)]
    theirs = [row[-3] for row in words(lab_host.run(["xl", "vcpu-list", kind]).stdout)]
    assert ours == theirs == ["1", "1"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["block-list", "network-list"])
def test_devices(xm: Xm, guests: None, lab_host: LabHost, kind: str, command: str) -> None:
    def parts(text: str) -> Rows:
        # number, backend's domain, state, the backend's place; a card's two rings are written in two ways
        rows = [re.sub(r"(-?\d+) */ *(-?\d+)", r"\1/\2", line).split() for line in text.splitlines()[1:]]
        state = 3 if command == "block-list" else 4
        return sorted([row[0], row[1], row[state], row[-1]] for row in rows)

    ours = parts(xm(command, kind).stdout)
    assert ours == parts(lab_host.run(["xl", command, kind]).stdout)
    assert len(ours) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["vtpm-list", "pci-list", "usb-list", "channel-list"])
def test_devices_that_no_guest_has(xm: Xm, guests: None, lab_host: LabHost, kind: str, command: str) -> None:
    assert words(xm(command, kind).stdout) == words(lab_host.run(["xl", command, kind]).stdout) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_configuration(xm: Xm, guests: None, lab_host: LabHost, kind: str) -> None:
    (theirs,) = json.loads(lab_host.run(["xl", "list", "-l", kind]).stdout)
    create, build = theirs["config"]["c_info"], theirs["config"]["b_info"]
    (ours,) = json.loads(xm("list", "--json", kind).stdout)
    assert (ours["domid"], ours["name"], ours["uuid"]) == (theirs["domid"], create["name"], create["uuid"])
    assert ours.get("guest_type", "pv") == create["type"] == kind
    assert (ours["vcpus"], ours["max_vcpus"]) == (len(build["avail_vcpus"]), build["max_vcpus"])
    # Of an HVM guest's memory libxl keeps a MiB beside the video memory.
    kept_kib = build["video_memkb"] + 1024 if kind == "hvm" else 0
    assert ours["target_kib"] + kept_kib == build["target_memkb"]
    assert f"(uuid {create['uuid']})" in xm("list", "--long", kind).stdout


def test_every_value_of_info(xm: Xm, guests: None, lab_host: LabHost) -> None:
    ours, theirs = (
        dict(re.findall(r"^(\S+)\s*: (.*)$", text, re.M))
        for text in (xm("info").stdout, lab_host.run(["xl", "info"]).stdout)
    )
    # xm writes "(none)" for an empty value, and whole MHz
    ours = {key: value.replace("(none)", "").strip() for key, value in ours.items()}
    theirs = {key: value.strip() for key, value in theirs.items()}
    theirs["cpu_mhz"] = theirs["cpu_mhz"].partition(".")[0]
    shared = (ours.keys() & theirs.keys()) - {"xend_config_format"}  # xl's is of its own configurations
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}
    assert len(shared) > 30
