"""Images of this machine's store as disks of domains on a lab host."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.client import Client
from domus.lab import disks
from domus.lab.host import LabHost
from domus.storage.images import cloning, converting
from domus.storage.images.store import DirectoryStore
from tests.domains import guests
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab

MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path, environment: dict[str, str], lab_host: LabHost) -> Iterator[DirectoryStore]:
    """A store, where xm looks for images."""
    store = DirectoryStore(tmp_path / "store")
    environment["XM_IMAGES"] = str(store.directory)
    yield store
    for lun in disks.luns(lab_host.name):
        if lun.path.startswith(str(store.directory)):
            disks.take_back(lab_host.name, Path(lun.path))


def content(store: DirectoryStore, name: str) -> bytes:
    """The first sector of the disk that is in an image."""
    entry = store.find(name)
    flat = store.directory / "flat"
    argv = ["qemu-img", "convert", "-U", "-f", entry.format.value, "-O", "raw", entry.path, flat]
    subprocess.run([str(word) for word in argv], check=True)
    return flat.read_bytes()[:512]


def test_what_a_guest_writes_lands_in_its_clone_and_not_in_the_image(
    xm: Xm, store: DirectoryStore, workplace: Path, lab_host: LabHost
) -> None:
    first = os.urandom(512)
    base = converting.create(store, "base", 16 * MIB)
    with base.path.open("r+b") as file:
        file.write(first)
    cloning.clone(store, "base", "mine")
    refused = xm("create", "-q", "web.cfg", "disk=image:base,xvda,w", check=False)
    if store.find("base").path.stat().st_mode & 0o200 == 0:  # it shares its data with the clone
        assert refused.returncode == 1
        assert "image:base cannot be written: mine share its data" in refused.stderr
        assert refused.stderr.count("\n") == 1
    xm("create", "-q", "image.cfg")
    client = lab_host.client()
    try:
        guests.wait_until_up(client, "imaged")
        assert checked_sum(client, first)
        assert "in use" in xm("image", "rm", "mine", check=False).stderr
        write = "tr '\\0' X < /dev/zero | dd of=/dev/xvda bs=512 count=1; sync; echo do''ne"
        guests.typed(client, "imaged", write, "done")
    finally:
        client.close()
        xm("destroy", "imaged")
    disks.take_back(lab_host.name, store.find("mine").path)
    assert content(store, "mine") == b"X" * 512
    assert content(store, "base") == first
    xm("image", "rm", "mine")
    assert [image.name for image in store.images()] == ["base"]


@pytest.fixture(autouse=True)
def imaged(workplace: Path) -> None:
    """A configuration whose disk is an image."""
    text = (workplace / "web.cfg").read_text()
    text = text.replace('"web"', '"imaged"').replace("file:disk.img", "image:mine")
    (workplace / "image.cfg").write_text(text)


def checked_sum(client: Client, sector: bytes) -> bool:
    """The guest reads this as the first sector of its disk."""
    digest = hashlib.md5(sector, usedforsecurity=False).hexdigest()
    line = "dd if=/dev/xvda bs=512 count=1 2>/dev/null | md5sum"
    return guests.typed(client, "imaged", line, "[0-9a-f]{32}") == digest
