"""A volume group as a store of images, on a lab host: as a directory is, and whole wherever one is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.lab import disks
from domus.model.config import Disk
from tests.domains.guests import create, in_guest, wait_until_up

if TYPE_CHECKING:
    from domus.lab.host import LabHost
    from domus.model.config import DomainConfig

# Not seen to pass in one run yet: `make soak`.
pytestmark = [pytest.mark.lab, pytest.mark.soak]

MIB = 1 << 20

#: no udev here: LVM makes its device nodes itself
MAKE = """set -e
printf 'activation {{\\n udev_sync=0\\n udev_rules=0\\n}}\\n' >/etc/lvm/lvmlocal.conf
for i in $(seq 100); do [ -e /dev/sda ] && break; sleep 0.1; done
pvcreate -q /dev/sda
vgcreate -q vg0 /dev/sda
lvcreate -q -y -T -L 200M vg0/pool
"""

#: Does what xm does with an image again and again, each time killed one step later, and looks what there is.
KILLED = """
import os, signal, sys
from domus.storage.images import cloning, places, resizing, volumes
action, run = sys.argv[1], volumes.run
store = places.store("vg:vg0/pool")
actions = {
    "clone": lambda: cloning.clone(store, "web", "other"),
    "snapshot": lambda: cloning.snapshot(store, "web", "now"),
    "revert": lambda: cloning.revert(store, "web@before"),
    "resize": lambda: resizing.resize(store, "web", "48M"),
    "remove": lambda: store.remove("web", with_snapshots=True),
}
one, two = os.urandom(65536), os.urandom(65536)

def killed_at(number):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [number]
    def counted(argv, **more):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(argv, **more)
    volumes.run = counted
    try:
        actions[action]()
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)

def write(data):
    with open("/dev/vg0/web", "r+b", buffering=0) as disk:
        disk.write(data)
        os.fsync(disk.fileno())

write(one)
cloning.snapshot(store, "web", "before")
for number in range(20):
    write(two)
    status = killed_at(number)
    assert status in (0, -9), status
    with store.changing():  # what the next command does first
        pass
    for volume in store._volumes():
        assert not {"domus.work"} & volume.tags and not volume.tagged("domus.becomes="), volume
    names = {entry.reference for entry in store.entries()}
    if status == 0 and action == "remove":
        assert not names, names
        break
    with open("/dev/vg0/web", "rb") as disk:
        found = disk.read(65536)
    assert found == two or (action == "revert" and found == one), number
    assert status == -9 or action != "revert" or found == one
    if action == "remove" and "web@before" not in names:
        cloning.snapshot(store, "web", "before")
    if status == 0:
        break
else:
    raise SystemExit("it never came to its end")
assert number > 0
for name in {entry.name for entry in store.entries()}:
    store.remove(name, with_snapshots=True)
print("whole", number)
"""

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a shell command in dom0 that must succeed, and returns what it printed."""
    path = tmp_path_factory.mktemp("lun") / "pv"
    with path.open("wb") as file:
        file.truncate(512 * MIB)
    disks.lend(lab_host.name, path)
    lab_host.run(["sh", "-c", MAKE.format()], within=300)
    lab_host.put(KILLED.encode(), "/root/killed.py")

    def shell(command: str, within: float = 600) -> str:
        script = f"export XM_IMAGES=vg:vg0/pool; {command}"
        return lab_host.run(["sh", "-c", script], within=within).stdout.strip()

    yield shell


def test_images_of_a_thin_pool_are_cloned_kept_brought_back_grown_and_removed(run: Run) -> None:
    run("xm image create web 32M; head -c 1M /dev/urandom > /tmp/one")
    run("dd if=/tmp/one of=/dev/vg0/web conv=fsync")
    run("xm image snapshot web before && xm image clone web other")
    run("dd if=/dev/zero of=/dev/vg0/web bs=64k count=4 conv=fsync")
    run("cmp -n 1048576 /dev/vg0/other /tmp/one && ! cmp -n 1048576 /dev/vg0/web /tmp/one")
    run("xm image revert web@before && cmp -n 1048576 /dev/vg0/web /tmp/one")
    run("xm image resize other 64M && cmp -n 1048576 /dev/vg0/other /tmp/one")
    assert run("blockdev --getsize64 /dev/vg0/other") == str(64 * MIB)
    listed = [line.split()[0] for line in run("xm image list").splitlines()[1:]]
    assert listed == ["other", "web"]
    # A volume of somebody else's is no image, and neither is the pool.
    run("lvcreate -q -y -T -V 16M -n theirs vg0/pool")
    assert "no image 'theirs'" in run("xm image rm theirs 2>&1; true")
    assert "has snapshots: before" in run("xm image rm web 2>&1; true")
    run("xm image rm other && xm image rm --snapshots web && lvremove -q -f vg0/theirs")
    assert run("lvs --noheadings -o lv_name vg0") == "pool"


def test_a_whole_volume_shows_nothing_of_what_was_there_before(run: Run) -> None:
    run("lvcreate -q -y -L 32M -n old vg0")
    run("tr '\\0' X </dev/zero | dd of=/dev/vg0/old bs=1M count=32 iflag=fullblock conv=fsync")
    run("lvremove -q -f vg0/old; xm image create new 32M --store vg:vg0")
    assert run("tr -d '\\0' </dev/vg0/new | wc -c") == "0"
    run("xm image rm new --store vg:vg0")


def test_an_image_that_a_domain_has_is_left_alone(
    lab_host: LabHost, run: Run, guest_config: DomainConfig
) -> None:
    run("xm image create disk 32M")
    with lab_host.client() as client:
        create(client, replace(guest_config, disks=(Disk(vdev="xvda", target="/dev/vg0/disk"),)))
        try:
            wait_until_up(client, "guest")
            in_guest(client, "guest", "echo written | dd of=/dev/xvda conv=fsync 2>/dev/null")
            for verb in ("rm disk", "clone disk other", "resize disk 64M"):
                assert "in use" in run(f"xm image {verb} 2>&1; true")
        finally:
            client.finish(client.destroy("guest"))
    assert run("head -c 7 /dev/vg0/disk") == "written"
    run("xm image rm disk")


@pytest.mark.soak
@pytest.mark.parametrize("action", ["clone", "snapshot", "revert", "resize", "remove"])
def test_killed_anywhere_an_image_is_whole_or_as_it_was(run: Run, action: str) -> None:
    run("xm image create web 32M")
    assert "whole" in run(f"python3 /root/killed.py {action} 2>&1", within=1500)
    assert run("lvs --noheadings -o lv_name vg0") == "pool"
