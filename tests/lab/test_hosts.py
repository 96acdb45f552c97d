"""Lab hosts: commands in them, identities of their own, a common LAN, LUNs, and what can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from domus.lab import disks, record, shell
from domus.lab.host import LabHost, hosts
from domus.model.errors import BadInput, HostProblem, NotFound, Unreachable

pytestmark = pytest.mark.lab

XM = str(Path(sys.executable).parent / "xm")


@pytest.fixture(scope="module")
def pair(new_host: Callable[[], LabHost]) -> tuple[LabHost, LabHost]:
    return new_host(), new_host()


def test_a_command_in_dom0_gives_its_output_and_its_status(pair: tuple[LabHost, LabHost]) -> None:
    done = pair[0].run(["sh", "-c", "echo out; echo err >&2; exit 7"], check=False)
    assert (done.status, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_a_command_that_is_not_there_says_so(pair: tuple[LabHost, LabHost]) -> None:
    done = pair[0].run(["no-such-program"], check=False)
    assert done.status == 127
    assert "no-such-program" in done.stderr


def test_a_megabyte_goes_in_and_comes_out_again(pair: tuple[LabHost, LabHost]) -> None:
    content = os.urandom(2**19).hex().encode()
    assert pair[0].run(["cat"], stdin=content).stdout.encode() == content


def test_a_command_that_takes_too_long_is_killed(pair: tuple[LabHost, LabHost]) -> None:
    with pytest.raises(HostProblem, match="did not end within"):
        shell.run(pair[0].folder, ["sleep", "4711"], within=0.5)
    left = pair[0].run(
        ["sh", "-c", "for i in 1 2 3 4 5; do pgrep -f 'sleep 471[1]' || exit 0; sleep 0.2; done"]
    )
    assert left.stdout.count("\n") < 5


def test_xm_lab_shell_passes_streams_and_status_on(pair: tuple[LabHost, LabHost]) -> None:
    done = subprocess.run(
        [XM, "lab", "shell", pair[0].name, "--", "sh", "-c", "read x; echo got $x; exit 3"],
        input=b"hello\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, b"got hello\n")


def test_two_hosts_have_nothing_in_common_but_their_image(pair: tuple[LabHost, LabHost]) -> None:
    facts = [
        {
            "hostname": host.run(["hostname"]).stdout,
            "machine id": host.run(["cat", "/etc/machine-id"]).stdout,
            "mac": host.run(["cat", "/sys/class/net/eth1/address"]).stdout,
            "bridge mac": host.run(["cat", "/sys/class/net/xenbr0/address"]).stdout,
            "key": host.run(["cat", "/etc/domus/tls/host.key"]).stdout,
            "random": host.run(["head", "-c", "16", "/dev/urandom"]).stdout,
            "uuid": host.run(["cat", "/proc/sys/kernel/random/uuid"]).stdout,
            "address": host.run(["ip", "-4", "-br", "address", "show", "xenbr0"]).stdout,
        }
        for host in pair
    ]
    assert facts[0]["hostname"] == f"{pair[0].name}\n"
    for what in facts[0]:
        assert facts[0][what] != facts[1][what], what


def test_a_fresh_host_knows_what_time_it_is(pair: tuple[LabHost, LabHost]) -> None:
    import time

    assert abs(float(pair[0].run(["date", "+%s"]).stdout) - time.time()) < 10


def test_hosts_reach_each_other_on_their_lan(pair: tuple[LabHost, LabHost]) -> None:
    other = record.read(pair[1].name).number
    assert "1 received" in pair[0].run(["ping", "-c", "1", "-W", "5", f"10.77.0.{other}"]).stdout


def test_a_lun_is_the_same_disk_on_both_hosts(pair: tuple[LabHost, LabHost], tmp_path: Path) -> None:
    image = tmp_path / "lun.img"
    image.write_bytes(bytes(2**20))
    targets = {disks.lend(host.name, image) for host in pair}
    assert len(targets) == 1
    serial = targets.pop().removeprefix("lun:")
    devices = []
    for host in pair:
        client = host.client()
        devices += [disk.device for disk in client.disks() if disk.serial == serial]
        client.close()
    assert len(devices) == 2
    pair[0].run(
        ["dd", "of=" + devices[0], "bs=512", "count=1", "oflag=direct", "conv=sync"], stdin=b"from the first"
    )
    read = pair[1].run(["dd", "if=" + devices[1], "bs=512", "count=1", "iflag=direct"]).stdout
    assert read.startswith("from the first")
    assert image.read_bytes().startswith(b"from the first")
    for host in pair:
        disks.take_back(host.name, image)
        assert disks.luns(host.name) == []


def test_a_file_that_cannot_be_a_lun_is_refused(pair: tuple[LabHost, LabHost], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such disk image"):
        disks.lend(pair[0].name, tmp_path / "nope.img")
    (tmp_path / "empty.img").touch()
    with pytest.raises(BadInput, match="smaller than one sector"):
        disks.lend(pair[0].name, tmp_path / "empty.img")
    (tmp_path / "full.img").write_bytes(bytes(4096))
    with pytest.raises(NotFound, match="does not have"):
        disks.take_back(pair[0].name, tmp_path / "full.img")


def test_a_host_whose_qemu_was_killed_is_off_and_starts_again(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[1]
    process = record.read(host.name).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    while host.running:
        process.reap()
    with pytest.raises(Unreachable, match="does not run"):
        host.run(["true"])
    assert list(host.folder.glob("*.sock"))  # stale now
    assert host.up()
    assert host.run(["hostname"]).stdout == f"{host.name}\n"
    assert not host.up()


def test_down_and_rm_leave_no_process_and_no_folder(pair: tuple[LabHost, LabHost]) -> None:
    host = pair[1]
    process = record.read(host.name).process
    assert process is not None
    assert host.down()
    assert not process.alive
    assert not host.down()
    host.remove()
    assert host.name not in [each.name for each in hosts()]
    assert not host.folder.exists()
