"""Disks that Xen's and DRBD's own hotplug scripts bring: iSCSI and DRBD, on real Xen and a real target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.config import alone
from domus.model.config import Disk
from domus.model.errors import DomusError
from tests.domains.disks import SIZE, attach, check_bytes
from tests.domains.guests import create, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost
    from domus.model.config import DomainConfig
    from tests.domains.guests import Shell

pytestmark = pytest.mark.lab

IQN = "iqn.2026-01.lab.domus:lun"

#: Linux's own iSCSI target serves an image on the loopback. The script finds the disk by a name of udev's.
TARGET = f"""set -e
truncate -s {SIZE} /root/lun.img
modprobe -a iscsi_target_mod target_core_file iscsi_tcp
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
store=/sys/kernel/config/target/core/fileio_0/lun
mkdir -p $store
echo fd_dev_name=/root/lun.img,fd_dev_size={SIZE} >$store/control
echo 1 >$store/enable
mkdir -p /sys/kernel/config/target/iscsi
group=/sys/kernel/config/target/iscsi/{IQN}/tpgt_1
mkdir -p $group/np/127.0.0.1:3260 $group/lun/lun_0
ln -s $store $group/lun/lun_0/store
echo 0 >$group/attrib/authentication
echo 1 >$group/attrib/generate_node_acls
echo 0 >$group/attrib/demo_mode_write_protect
echo 1 >$group/enable
echo InitiatorName=iqn.2026-01.lab.domus:dom0 >/etc/iscsi/initiatorname.iscsi
/usr/lib/systemd/systemd-udevd --daemon
iscsid
"""

#: a resource whose other host is not there; its metadata is behind what guests see
RESOURCE = f"""set -e
disk=$(losetup -f)
modprobe drbd
cat >/etc/drbd.d/r0.res <<END
resource r0 {{
  device /dev/drbd0; disk $disk; meta-disk internal; disk {{ size {SIZE // 512}s; }}
  on $(uname -n) {{ address 127.0.0.1:7789; }}
  on other {{ address 127.0.0.1:7790; }}
}}
END
truncate -s 33M /root/replica.img
losetup $disk /root/replica.img
drbdadm create-md --force r0
drbdadm up r0
drbdadm primary --force r0
drbdadm secondary r0
"""


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture(scope="module")
def booted(lab_host: LabHost, client: Client, guest_config: DomainConfig) -> None:
    for script in (TARGET, RESOURCE):
        lab_host.run(["sh", "-c", script])
    create(client, replace(guest_config, memory_mib=192))
    wait_until_up(client, "guest")


def iscsi(iqn: str) -> Disk:
    return Disk(vdev="xvdb", target=f"iqn={iqn},portal=127.0.0.1", script="block-iscsi")


def sessions(host: LabHost) -> str:
    return host.run(["iscsiadm", "-m", "session"], check=False).stdout


def test_a_disk_behind_iscsi_is_written_and_its_session_ends_with_it(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    check_bytes(lab_host, client, shell, iscsi(IQN), "cat /root/lun.img")
    assert IQN not in sessions(lab_host)


def test_a_target_that_is_not_there_is_told_in_the_scripts_words(
    lab_host: LabHost, client: Client, unchanged: None
) -> None:
    with pytest.raises(DomusError, match="No matching target iqn found"):
        attach(client, iscsi(f"{IQN}-other"))
    assert IQN not in sessions(lab_host)


def test_a_drbd_resource_is_written_and_secondary_again_afterwards(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    check_bytes(lab_host, client, shell, alone.disk("drbd:r0,xvdb,w"), "cat /root/replica.img")
    assert "ro:Secondary" in lab_host.run(["cat", "/proc/drbd"]).stdout
