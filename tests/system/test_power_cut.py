"""The power of a whole host fails (its QEMU is killed): no configuration that was acknowledged is lost.

The lab's root is in memory, so xend's state is put on a LUN; the disk is given to a second host afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from domus.lab.host import LabHost
from domus.model.config import DomainConfig
from domus.model.errors import DomusError
from domus.model.managed import ManagedDomain
from tests.system import state_disk

pytestmark = pytest.mark.lab


def test_nothing_acknowledged_is_lost(
    new_host: Callable[[], LabHost], small_guest: tuple[Path, Path], tmp_path: Path
) -> None:
    image = tmp_path / "state.img"
    state_disk.make(image, 256)
    first = new_host()
    state_disk.mount(first, image, empty=True)
    acknowledged: dict[str, ManagedDomain] = {}

    def change_for_ever(kernel: str, ramdisk: str) -> None:
        """Define domains and change them, and note what was acknowledged, until the host is gone."""
        with first.client() as client:
            for number in range(10_000):
                name = f"web{number // 3}"
                try:
                    if number % 3 == 0:
                        config = DomainConfig(name=name, kernel=kernel, ramdisk=ramdisk, memory_mib=96)
                        done = client.managed.define(config)
                    else:
                        known = acknowledged[name]
                        config = msgspec.structs.replace(known.config, memory_mib=96 + number % 3)
                        done = client.managed.configure(name, config, base=known.revision.number)
                except DomusError:
                    return
                acknowledged[name] = done

    with first.client() as client:
        kernel, ramdisk = (client.put_blob(path) for path in small_guest)
    changing = threading.Thread(target=change_for_ever, args=(kernel, ramdisk))
    changing.start()
    end = time.monotonic() + 60
    while len(acknowledged) < 8:
        assert time.monotonic() < end
        time.sleep(0.01)
    state_disk.cut_power(first)
    changing.join(60)
    assert not changing.is_alive()

    second = new_host()
    state_disk.mount(second, image, empty=False)
    with second.client() as client:
        kept = {managed.name: managed for managed in client.managed.list()}
        for name, managed in acknowledged.items():
            history = client.managed.history(name)
            assert managed.revision in history
            assert kept[name].revision == history[-1]
            assert len(history) <= managed.revision.number + 1  # one more change may have been under way
        assert len(kept) - len(acknowledged) in (0, 1)
        started = client.finish(client.managed.start("web0", paused=True))
        assert client.domain("web0").domid == started.domid
