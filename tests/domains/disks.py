"""What tests of a small guest's disks share: "guest" has it as xvdb."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost
    from domus.model.config import Disk
    from tests.domains.guests import Shell

MIB = 1 << 20
SIZE = 32 * MIB


def attach(client: Client, disk: Disk) -> None:
    client.finish(client.devices.attach_disk("guest", disk))


def detach(client: Client, *, force: bool = False) -> None:
    client.finish(client.devices.detach_disk("guest", "xvdb", force=force))


def wait_for(shell: Shell, path: str) -> None:
    shell.run(f"for i in $(seq 50); do [ -e {path} ] && break; sleep 0.1; done; [ -e {path} ]")


def check_bytes(lab_host: LabHost, client: Client, shell: Shell, disk: Disk, reader: str) -> None:
    """What the guest writes to a disk is what `reader`, a command in dom0, prints after it was detached."""
    attach(client, disk)
    wait_for(shell, "/dev/xvdb")
    assert shell.run("cat /sys/block/xvdb/size") == str(SIZE // 512)
    shell.run("dd if=/dev/urandom of=/noise bs=64k count=16 2>/dev/null")
    shell.run("dd if=/noise of=/dev/xvdb bs=64k seek=40 conv=fsync 2>/dev/null")
    theirs = shell.run("sha256sum /noise").split()[0]
    detach(client)
    shell.run("for i in $(seq 50); do [ -e /dev/xvdb ] || break; sleep 0.1; done; [ ! -e /dev/xvdb ]")
    bytes_of = f"{reader} | tail -c +{40 * 65536 + 1} | head -c {MIB} | sha256sum; rm -f /tmp/out"
    assert lab_host.run(["sh", "-c", bytes_of]).stdout.split()[0] == theirs
