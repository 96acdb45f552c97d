"""The power of a host fails (its QEMU is killed) while `xm image` works: an image is whole or as it was.

The store is on a LUN, which is given to another host afterwards. What dom0's kernel had not written is lost.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domus.lab.host import LabHost
from domus.storage.images import converting
from domus.storage.images.store import DirectoryStore
from tests.domains.guests import eventually
from tests.system import state_disk
from tests.system.conftest import XM_PROGRAM, Xm

# Each cut takes two hosts.
pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(3600)]

MIB = 1 << 20
STORE = "/images"
SMALL, LARGE = 48 * MIB, 64 * MIB

#: "web" as it is, and as it was when it was kept as "before": file systems with a file in each
ONE, TWO = (random.Random(seed).randbytes(6 * MIB) for seed in (1, 2))
PREPARE = f"""
export XM_IMAGES={STORE}
mkdir /root/one /root/two && mv /root/payload.one /root/one/payload && mv /root/payload.two /root/two/payload
xm image create web {SMALL >> 20}M
mke2fs -q -F -d /root/one {STORE}/web.raw
xm image snapshot web before
mke2fs -q -F -d /root/two {STORE}/web.raw
sync
umount {STORE}
"""

#: how far into a command the power fails, as shares of the time that it takes undisturbed; xm starts first
MOMENTS = (0.55, 0.7, 0.8, 0.9, 0.97)

VERBS = {
    "clone": ("clone", "web", "copy"),
    "snapshot": ("snapshot", "web", "now"),
    "revert": ("revert", "web@before"),
    "resize": ("resize", "web", f"{LARGE >> 20}M"),
}


class Found(NamedTuple):
    """A store after a power cut, and after the next change of it."""

    entries: dict[str, dict[str, Any]]
    files: set[str]
    host: LabHost

    def payload(self, image: str) -> str:
        """The SHA-256 of the file in an image, whose file system has no mistake."""
        kind = "qcow2" if image.endswith(".qcow2") else "raw"
        self.host.run(["qemu-img", "convert", "-f", kind, "-O", "raw", f"{STORE}/{image}", "/root/seen"])
        self.host.run(["e2fsck", "-fn", "/root/seen"])
        return str(
            self.host.run(["sh", "-c", "debugfs -R 'cat payload' /root/seen | sha256sum"]).stdout.split()[0]
        )


@pytest.fixture(scope="module")
def prepared(new_host: Callable[[], LabHost], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with a store on it."""
    disk = tmp_path_factory.mktemp("store") / "store.img"
    state_disk.make(disk, 512)
    host = new_host()
    state_disk.plug(host, disk, STORE, empty=True)
    for name, data in (("one", ONE), ("two", TWO)):
        host.put(data, f"/root/payload.{name}")
    host.run(["sh", "-e", "-c", PREPARE], within=300)
    host.remove()
    return disk


def with_store(new_host: Callable[[], LabHost], disk: Path) -> LabHost:
    host = new_host()
    state_disk.plug(host, disk, STORE, empty=False)
    return host


def copied(disk: Path, folder: Path, name: str) -> Path:
    copy = folder / f"{name}.img"
    subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
    return copy


def images(host: LabHost, *words: str) -> str:
    """`xm image` on the host, with the store on its disk."""
    return str(host.run(["env", f"XM_IMAGES={STORE}", "xm", "image", *words], within=120).stdout)


def look(host: LabHost) -> Found:
    """What there is, once something has changed the store."""
    host.run(
        ["sh", "-e", "-c", f"export XM_IMAGES={STORE}; xm image create probe 1M; xm image rm probe --force"]
    )
    listed = json.loads(host.run(["sh", "-c", f"XM_IMAGES={STORE} xm image list --json"]).stdout)
    files = {*host.run(["ls", "-A", STORE]).stdout.split()} - {"lost+found"}
    return Found({each["name"]: each for each in listed}, files, host)


def check(verb: str, found: Found, *, done: bool) -> None:
    """Whole, or as it was; `done`: the command had ended."""
    one, two = (hashlib.sha256(each).hexdigest() for each in (ONE, TWO))
    assert not [each for each in found.files if each.startswith((".work", ".incoming"))]
    web = found.entries["web"]
    snapshots = {each["name"] for each in web["snapshots"]}
    assert "before" in snapshots
    assert found.payload("web@before.raw") == one
    happened = {
        "clone": "copy" in found.entries,
        "snapshot": "now" in snapshots,
        "revert": found.payload("web.raw") == one,
        "resize": web["size_bytes"] == LARGE,
    }
    assert happened[verb] or not done
    assert not any(happened[other] for other in VERBS if other != verb)
    assert web["size_bytes"] in (SMALL, LARGE)
    if verb != "revert":
        assert found.payload("web.raw") == two
    if verb == "clone" and happened[verb]:
        assert found.payload(Path(found.entries["copy"]["path"]).name) == two
    if verb == "snapshot" and happened[verb]:
        assert found.payload("web@now.raw") == two


@pytest.mark.parametrize("verb", VERBS)
def test_a_power_cut_leaves_an_image_whole_or_as_it_was(
    new_host: Callable[[], LabHost], prepared: Path, tmp_path: Path, verb: str
) -> None:
    undisturbed = with_store(new_host, copied(prepared, tmp_path, "undisturbed"))
    images(undisturbed, "list")  # reads xm from the disk
    begun = time.monotonic()
    images(undisturbed, *VERBS[verb])
    takes = time.monotonic() - begun
    check(verb, look(undisturbed), done=True)
    undisturbed.remove()
    for moment in MOMENTS:
        disk = copied(prepared, tmp_path, str(moment))
        host = with_store(new_host, disk)
        images(host, "list")
        words = " ".join(VERBS[verb])
        host.run(["sh", "-c", f"XM_IMAGES={STORE} xm image {words} > /root/said 2>&1 &"])
        time.sleep(moment * takes)
        state_disk.cut_power(host)
        host.remove()
        other = with_store(new_host, disk)
        check(verb, look(other), done=False)
        other.remove()
        disk.unlink()


def test_a_power_cut_of_the_receiving_host_costs_a_push_only_time(
    new_host: Callable[[], LabHost], xm: Xm, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["XM_IMAGES"] = str(tmp_path / "here")
    store = DirectoryStore(tmp_path / "here")
    image = converting.create(store, "large", 256 * MIB)
    with image.path.open("r+b") as file:
        file.write(random.Random(3).randbytes(24 * MIB))
    disk = tmp_path / "state.img"
    state_disk.make(disk, 512)
    first = new_host()
    state_disk.mount(first, disk, empty=True)
    arrived = "cat /var/lib/domus/images/.incoming-*/pieces 2>/dev/null | wc -l"
    pushing = subprocess.Popen(
        [XM_PROGRAM, "image", "push", "large", first.name],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: int(first.run(["sh", "-c", arrived]).stdout) > 1)
    state_disk.cut_power(first)
    _, said = pushing.communicate(timeout=300)
    assert pushing.returncode == 1
    assert len(said.strip().splitlines()[-1:]) == 1
    first.remove()
    second = new_host()
    state_disk.mount(second, disk, empty=False)
    assert "large.raw" not in second.run(["ls", "/var/lib/domus/images"]).stdout
    assert 0 < int(second.run(["sh", "-c", arrived]).stdout) < 6, "it was in the middle"
    xm("image", "push", "large", second.name)
    sums = second.run(["sha256sum", "/var/lib/domus/images/large.raw"]).stdout.split()[0]
    assert sums == hashlib.sha256(image.path.read_bytes()).hexdigest()
    shutil.rmtree(tmp_path / "here")
