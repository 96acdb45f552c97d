"""What a killed xend left of a change to cpupools or pins, on real Xen."""

from __future__ import annotations

import json
import time

import pytest

from domus.domains.journal import DestroyCpupool, Pin, PinBack, RenameCpupool, ReturnCpus
from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

DATABASE = "/var/lib/domus/xend.sqlite"


def journal(host: LabHost, operation: str, *records: object) -> None:
    """Write an operation with undo records into xend's journal, as one that is cut off has them."""
    import msgspec

    snapshot = json.dumps({"id": operation, "kind": "cpupool-create", "state": "running"})
    rows = [(operation, step, msgspec.json.encode(each).decode()) for step, each in enumerate(records)]
    script = (
        "import json, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], timeout=20)\n"
        "operation, snapshot, rows = json.load(sys.stdin)\n"
        "with connection:\n"
        "    connection.execute('INSERT INTO operation VALUES (?, ?, 0)', (operation, snapshot.encode()))\n"
        "    for row in rows:\n"
        "        connection.execute('INSERT INTO undo VALUES (?, ?, ?)', (row[0], row[1], row[2].encode()))\n"
    )
    host.put(script.encode(), "/root/journal.py")
    host.put(json.dumps([operation, snapshot, rows]).encode(), "/root/journal.json")
    host.run(["sh", "-c", "python3 /root/journal.py $0 < /root/journal.json", DATABASE])


def pools(host: LabHost) -> list[list[str]]:
    lines = host.run(["xl", "cpupool-list", "-c"], check=False).stdout.splitlines()[1:]
    return [line.split() for line in lines]


def restart_xend(host: LabHost) -> None:
    host.run(["sh", "-c", "kill -9 $(cat /run/domus/xend.pid)"])
    end = time.monotonic() + 180
    while host.run(["sh", "-c", "XM_HOST=local xm list"], check=False, within=90).status:
        assert time.monotonic() < end
        time.sleep(2)


@pytest.mark.parametrize("named", [True, False], ids=["named", "before it was named"])
@pytest.mark.soak
def test_a_cpupool_that_was_cut_off_is_taken_away_and_its_cpus_are_put_back(
    lab_host: LabHost, named: bool
) -> None:
    lab_host.run(["xl", "cpupool-cpu-remove", "Pool-0", "1"])
    lab_host.run(["xl", "cpupool-create", "name='half'", "cpus='1'"])
    assert pools(lab_host) == [["Pool-0", "0"], ["half", "1"]]
    if not named:
        lab_host.run(["xenstore-rm", "/local/pool/1/name"])
    journal(
        lab_host,
        f"cut-off-{named}",
        ReturnCpus(pool=0, into=(1,)),
        RenameCpupool(pool=0, name="Pool-0"),
        DestroyCpupool(pool=1, name="half"),
    )
    restart_xend(lab_host)
    assert pools(lab_host) == [["Pool-0", "0,1"]]


@pytest.mark.soak
def test_a_cpupool_of_somebody_else_is_left_alone(lab_host: LabHost) -> None:
    lab_host.run(["xl", "cpupool-cpu-remove", "Pool-0", "1"])
    lab_host.run(["xl", "cpupool-create", "name='theirs'", "cpus='1'"])
    journal(lab_host, "never-begun", ReturnCpus(pool=0, into=(1,)), DestroyCpupool(pool=1, name="half"))
    restart_xend(lab_host)
    assert pools(lab_host) == [["Pool-0", "0"], ["theirs", "1"]]
    lab_host.run(["xl", "cpupool-destroy", "theirs"])
    lab_host.run(["xl", "cpupool-cpu-add", "Pool-0", "1"])


@pytest.mark.soak
def test_vcpus_are_pinned_as_they_were(lab_host: LabHost) -> None:
    dom0 = "00000000-0000-0000-0000-000000000000"
    lab_host.run(["xl", "vcpu-pin", "0", "0", "1", "1"])
    journal(
        lab_host,
        "half-pinned",
        PinBack(uuid="11111111-0000-0000-0000-000000000000", domid=0, pins=(Pin(vcpu=0, hard=(0,)),)),
        PinBack(uuid=dom0, domid=4711, pins=(Pin(vcpu=0, hard=(0,)),)),
        PinBack(uuid=dom0, domid=0, pins=(Pin(vcpu=0, hard=(0, 1)),)),
    )
    restart_xend(lab_host)
    assert lab_host.run(["xl", "vcpu-list", "0"]).stdout.split()[-3:] == ["all", "/", "1"]
    lab_host.run(["xl", "vcpu-pin", "0", "0", "all", "all"])
