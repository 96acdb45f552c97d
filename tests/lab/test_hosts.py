"""Lab hosts: commands in them, identities of their own, a common LAN, LUNs, and what can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from domus.client import certificates
from domus.lab import disks, impairments, neighbours, paths, record, shell
from domus.lab.host import LabHost, hosts
from domus.lab.impairments import Impairments
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


def test_hosts_know_each_other_by_name_and_believe_each_others_certificates(
    pair: tuple[LabHost, LabHost],
) -> None:
    for host, other in (pair, pair[::-1]):
        assert "Domain-0" in host.run(["xm", "--host", other.name, "list"]).stdout
    # whom the lab's authority does not know is not let in
    stranger = certificates.make_ca("stranger")
    user = certificates.issue("stranger", stranger)
    pair[0].put(user.certificate, "/tmp/stranger.crt")
    pair[0].put(user.key, "/tmp/stranger.key")
    asked = (
        "import ssl, socket; c = ssl.create_default_context(cafile='/etc/domus/tls/ca.crt');"
        "c.load_cert_chain('/tmp/stranger.crt', '/tmp/stranger.key');"
        f"to = '{pair[1].name}'; s = c.wrap_socket(socket.create_connection((to, 8443)), server_hostname=to);"
        "s.sendall(b'GET /v1/domains HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(99))"
    )
    refused = pair[0].run(["python3", "-c", asked], check=False)
    assert refused.stdout in ("", "b''\n"), "it was answered"


def test_the_network_of_a_host_gets_worse_as_told_and_heals(pair: tuple[LabHost, LabHost]) -> None:
    def answers() -> bool:
        return pair[0].run(["ping", "-c", "1", "-W", "2", pair[1].name], check=False).status == 0

    name = pair[0].name
    assert impairments.shown(name) == Impairments()
    impairments.impair(name, delay_ms=1500.0, jitter_ms=2.0)
    impairments.impair(name, rate_kbit=5000.0, loss_percent=0.5)
    assert impairments.shown(name) == Impairments(
        delay_ms=1500.0, jitter_ms=2.0, rate_kbit=5000.0, loss_percent=0.5
    )
    said = pair[0].run(["ping", "-c", "1", "-W", "9", pair[1].name], check=False).stdout
    assert said.count("1 received") == 0 or float(said.split("time=")[1].split()[0]) >= 1498
    impairments.impair(name, delay_ms=0.0, jitter_ms=0.0, rate_kbit=0.0, loss_percent=100.0)
    assert not answers()
    impairments.heal(name)
    assert answers()
    impairments.cut(name)
    assert impairments.shown(name) == Impairments(cut=True)
    assert not answers()
    assert pair[0].run(["true"]).status == 0, "the way to the machine that runs it is another one"
    impairments.heal(name)
    assert answers()
    assert impairments.shown(name) == Impairments()
    with pytest.raises(BadInput, match="more than all"):
        impairments.impair(name, loss_percent=101.0)


def test_hosts_that_start_together_share_a_disk_and_forget_a_host_that_is_gone(
    pair: tuple[LabHost, LabHost],
) -> None:
    lun = disks.lend_shared([host.name for host in pair])
    for host in pair:
        assert lun in disks.luns(host.name)
        disks.take_back(host.name, Path(lun.path))
    (hosts_dir := paths.hosts_dir() / "gone").mkdir()
    (hosts_dir / "host.json").write_bytes(msgspec.json.encode(record.Record(name="gone", number=99)))
    neighbours.introduce()
    assert "10.77.0.99 gone" in pair[0].run(["cat", "/etc/hosts"]).stdout
    LabHost("gone").remove()
    assert "gone" not in pair[0].run(["cat", "/etc/hosts", "/root/.config/domus/hosts.toml"]).stdout


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
