"""From packages to a guest at work: built, on a network of its own, reached by SSH, changed, grown."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.lab import disks
from domus.lab.host import LabHost
from tests.domains.guests import eventually
from tests.system.conftest import XM_PROGRAM, Xm

# systemd takes minutes in an emulated guest, and each guest boots three times.
pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(7200)]

MIB = 1 << 20

#: seconds that a guest has to boot, and SSH to shake hands: both are emulated twice
BOOT_S = 1500
SSH_S = 300

#: carries a connection from dom0 to a guest
RELAY = """import os, select, socket, sys
there = socket.create_connection((sys.argv[1], 22), 60)
while True:
    for each in select.select([0, there], [], [])[0]:
        data = os.read(0, 65536) if each == 0 else there.recv(65536)
        if not data:
            sys.exit()
        if each == 0:
            there.sendall(data)
        while each != 0 and data:
            data = data[os.write(1, data):]
"""

CONFIG = """name = "{kind}"
type = "{kind}"
memory = 288
disk = ["image:{kind},xvda,w"]
vif = ["network=default,mac={mac}"]
"""

#: What a type needs besides. Where all is emulated twice, an HVM guest's BIOS reads 5 KiB/s from an IDE disk,
#: and GRUB behind it wants 20 MB; from AHCI it is 200 KiB/s, by DMA.
BESIDES = {"pv": "", "pvh": "", "hvm": 'hdtype = "ahci"\n'}

KINDS = {"pv": "00:16:3e:0a:00:01", "pvh": "00:16:3e:0a:00:02", "hvm": "00:16:3e:0a:00:03"}


class Ssh:
    """Commands in a guest, by SSH through dom0. One connection a boot: it takes half a minute."""

    def __init__(self, host: LabHost, environment: dict[str, str], key: Path, address: str) -> None:
        proxy = [XM_PROGRAM, "lab", "shell", host.name, "--", "python3", "/root/relay.py", address]
        self._environment = environment
        self._socket = key.with_name(f"master-{address}")
        self._options = {
            "ProxyCommand": shlex.join(proxy),
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": os.devnull,
            "IdentitiesOnly": "yes",
            "IdentityFile": str(key),
            "ConnectTimeout": str(SSH_S),
            "ControlMaster": "auto",
            "ControlPath": str(self._socket),
            "ControlPersist": "600",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
        }

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = [f"-o{name}={value}" for name, value in self._options.items()]
        return subprocess.run(
            ["ssh", *options, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * SSH_S,
            check=False,
        )

    def run(self, command: str) -> str:
        """What a command prints; it must succeed."""
        done = self._run("root@guest", command)
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def until_boot(self, other_than: str = "") -> str:
        """Wait until the guest answers in another boot than this one; returns that boot's id."""
        end = time.monotonic() + BOOT_S
        while True:
            done = self._run("root@guest", "cat /proc/sys/kernel/random/boot_id")
            if done.returncode == 0 and done.stdout.strip() not in ("", other_than):
                return done.stdout.strip()
            assert time.monotonic() < end, f"no answer by SSH: {done.stderr}"
            self.close()
            time.sleep(3)

    def close(self) -> None:
        """Give up the connection."""
        if self._socket.exists():
            self._run("-O", "exit", "guest")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key pair of the user's."""
    path = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def store(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """A store with image "web", built by one command."""
    folder = tmp_path_factory.mktemp("images")
    environment["XM_IMAGES"] = str(folder)
    argv = [XM_PROGRAM, "image", "build", "web", "--size", "1G", "--ssh-key", f"{key}.pub"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def network(lab_host: LabHost, xm: Xm) -> None:
    """The network that guests are in: addresses, names and the way out."""
    lab_host.put(RELAY.encode(), "/root/relay.py")
    xm("network", "define", "default", "address=192.168.140.1/24", "--start")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, xm: Xm, store: Path, workplace: Path) -> Iterator[str]:
    """A domain of each type, from a clone of the image; its name is the type's."""
    kind: str = request.param
    xm("image", "clone", "web", kind)
    config = CONFIG.format(kind=kind, mac=KINDS[kind]) + BESIDES[kind]
    (workplace / f"{kind}.cfg").write_text(config)
    xm("create", "-q", f"{kind}.cfg")
    yield kind
    xm("destroy", kind, check=False)


def address_of(xm: Xm, mac: str) -> str:
    """The address that the network has leased to a card, as soon as there is one."""
    end = time.monotonic() + BOOT_S
    while True:
        for line in xm("network", "show", "default").stdout.partition("Leases")[2].splitlines():
            if mac in line:
                return line.split()[0]
        assert time.monotonic() < end, "the guest asks for no address"
        time.sleep(2)


def test_a_built_guest_of_each_type_is_reached_rebooted_extended_and_grown(
    lab_host: LabHost,
    environment: dict[str, str],
    xm: Xm,
    network: None,
    key: Path,
    store: Path,
    workplace: Path,
    kind: str,
) -> None:
    address = address_of(xm, KINDS[kind])
    ssh = Ssh(lab_host, environment, key, address)
    first = ssh.until_boot()
    # The network's own DNS, by way of the guest's resolver.
    assert "192.168.140.1" in ssh.run("resolvectl query gateway.default")
    assert address in ssh.run(f"getent ahostsv4 {kind}.default")

    second = workplace / f"{kind}-second.img"
    second.write_bytes(bytes(32 * MIB))
    xm("block-attach", kind, f"file:{second}", "xvdb", "w")
    xm("network-attach", kind, "network=default")
    eventually(lambda: "xvdb" in ssh.run("lsblk -dno NAME"))
    ssh.run("dd if=/dev/urandom of=/noise bs=64k count=16 status=none")
    ssh.run("dd if=/noise of=/dev/xvdb bs=64k seek=8 conv=fsync status=none")
    written = ssh.run("sha256sum /noise").split()[0]
    eventually(lambda: ssh.run("ip -4 -br address").count("192.168.140.") == 2)

    ssh.run("systemctl reboot")
    ssh.close()
    ssh.until_boot(other_than=first)
    assert "xvdb" in ssh.run("lsblk -dno NAME")
    read = "dd if=/dev/xvdb bs=64k skip=8 count=16 status=none | sha256sum"
    assert ssh.run(read).split()[0] == written
    eventually(lambda: ssh.run("ip -4 -br address").count("192.168.140.") == 2)
    assert ssh.run("sha256sum /noise").split()[0] == written

    ssh.close()
    xm("shutdown", "-w", kind)
    with second.open("rb") as file:
        file.seek(8 * 65536)
        assert hashlib.sha256(file.read(MIB)).hexdigest() == written
    for lent in disks.luns(lab_host.name):
        disks.take_back(lab_host.name, Path(lent.path))
    assert "ext4" in xm("image", "resize", kind, "2G").stdout
    xm("create", "-q", f"{kind}.cfg")
    ssh.until_boot()
    assert int(ssh.run("df --output=size -B1 / | tail -1")) > 1700 * MIB
    assert ssh.run("sha256sum /noise").split()[0] == written
    ssh.close()
