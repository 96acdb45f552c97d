"""Templates: a host that was booted once and saved, so that others start from it in half a second.

A finished template is a folder with
    ram            the host's memory; hosts map it privately and never write it
    state          the state of its devices
    template.json  what it was made from
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import shutil
import time
from pathlib import Path

import msgspec

from domus.lab import accel, hypervisor, image, layer, machine, paths, qemu, qmp, shell
from domus.lab.built import build_once, locked
from domus.lab.machine import Machine
from domus.lab.progress import Report, silent
from domus.lab.record import Hypervisor, Process, Shape
from domus.model.errors import DomusError, HostProblem
from domus.model.places import SOCKET_PATH
from domus.programs import run

#: Templates kept for a quick return to another version of Domus; each takes some 600 MB of disk.
KEPT = 3

_SHM = Path("/dev/shm")  # noqa: S108 - a tmpfs; the name in it is locked by the build's lock

#: s after which a boot has failed; measured: 20 s emulated with nothing else running, 250 s on a machine that
#: has eight times as much to do as it can
BOOT_TIMEOUT_S = 600


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A saved machine."""

    folder: Path
    image: Path
    hypervisor: Path | None  #: as `Machine` has it
    layer: Path
    shape: Shape
    accelerator: str


def wanted(shape: Shape, report: Report = silent) -> Template:
    """The template of this version of Domus for `shape`; whatever is missing for it is built first."""
    base = image.wanted(lambda step, part: report(step, None if part is None else part * 0.75), shape.suite)
    other = None
    if shape.hypervisor is Hypervisor.FULL:
        other = hypervisor.wanted(base, lambda step, _: report(step, None)).folder
    packed = layer.wanted(report)
    chosen, _ = accel.choose()
    seed = Machine(
        shape=shape,
        accelerator=chosen.value,
        image=base.folder,
        hypervisor=other,
        layer=packed,
        ram=Path(),
        share_ram=True,
        folder=Path(),
        api_port=0,
        lan_port=0,
    )
    folder = build_once(
        paths.templates_dir() / f"{packed.parent.name}-{machine.identity(seed)}",
        lambda part: _build(part, seed, report),
        space_mib=shape.memory_mib + 100,
        on_wait=lambda: report("another process boots this template: waiting for it", None),
    )
    os.utime(folder)
    return Template(
        folder=folder,
        image=base.folder,
        hypervisor=other,
        layer=packed,
        shape=shape,
        accelerator=chosen.value,
    )


def _build(folder: Path, seed: Machine, report: Report) -> None:
    report("booting the template host (once per change of Domus's code)", 0.76)
    ram = _boot_ram(folder, seed.shape.memory_mib)
    with ram.open("wb") as file:
        file.truncate(seed.shape.memory_mib * 2**20)
    booting = msgspec.structs.replace(
        seed, ram=ram, folder=folder, api_port=machine.free_port(), lan_port=machine.free_port()
    )
    process = qemu.launch(booting, boot=True)
    try:
        _wait_until_ready(folder, process, report)
        report("saving the template", 0.99)
        _save(folder)
        qemu.power_off(folder, process)
        if ram != folder / "ram":
            run(["cp", "--sparse=always", ram, folder / "ram"])
    finally:
        qemu.power_off(folder, process)
        if ram != folder / "ram":
            ram.unlink(missing_ok=True)
    for leftover in (*folder.glob("*.sock"), *folder.glob("*.lock")):
        leftover.unlink()
    (folder / "template.json").write_bytes(
        msgspec.json.encode({"shape": seed.shape, "image": seed.image.name, "accelerator": seed.accelerator})
    )
    _prune(keep=folder)
    report("template saved", 1.0)


def _boot_ram(folder: Path, mib: int) -> Path:
    """Where the memory of the booting host is: in memory if that has room, since a file on disk is written
    back all the while (measured: 44 s instead of 29 s to a template).
    """
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    in_memory = _SHM / f"domus-{os.getuid()}-{name}.ram"
    if not _SHM.is_dir():
        return folder / "ram"
    in_memory.unlink(missing_ok=True)  # of a build that was killed: we hold its lock
    roomy = shutil.disk_usage(_SHM).free > (mib + 512) * 2**20
    return in_memory if roomy else folder / "ram"


def _wait_until_ready(folder: Path, process: Process, report: Report) -> None:
    """Wait until xend in the host answers, then have the tools used once: that warms dom0's caches."""
    started = time.monotonic()
    last = "nothing yet"
    while (passed := time.monotonic() - started) < BOOT_TIMEOUT_S:
        report("booting the template host", min(0.98, 0.76 + passed / 30 * 0.22))
        if not process.alive:
            break
        try:
            # a look that costs nothing: under emulation, asking too early takes from what is waited for
            if shell.run(folder, ["test", "-S", SOCKET_PATH]).status == 0:
                done = shell.run(folder, ["xm", "--host", "local", "list"], within=30)
                if done.status == 0:
                    shell.run(folder, ["xl", "list"])
                    return
                last = (done.stderr or done.stdout).strip() or f"exit status {done.status}"
        except DomusError as error:
            last = error.what
        time.sleep(0.5)
    console = (folder / "console.log").read_text(errors="replace")[-2000:]
    kept = paths.cache_dir() / "failed-boot.log"
    kept.write_text(console)
    raise HostProblem(
        f"the template host did not come up within {BOOT_TIMEOUT_S} s ({last})",
        hint=f"its console: {kept}",
    )


def _save(folder: Path) -> None:
    async def save(say: qmp.Say) -> None:
        await say("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        await say("stop")
        await say("migrate", uri=f"exec:cat > {shlex.quote(str(folder / 'state'))}")
        while (status := (await say("query-migrate")).get("status")) != "completed":
            if status in ("failed", "cancelled"):
                raise HostProblem(f"QEMU could not save the template: {status}")
            await asyncio.sleep(0.02)

    qmp.converse(folder / qemu.QMP_SOCKET, save)


def resume(folder: Path, state: Path) -> None:
    """Have the QEMU in `folder`, started with -incoming, continue from `state`."""

    async def load(say: qmp.Say) -> None:
        await say("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        await say("migrate-incoming", uri=f"exec:cat {shlex.quote(str(state))}")
        while (status := (await say("query-status"))["status"]) == "inmigrate":
            await asyncio.sleep(0.005)
        if status not in ("paused", "running", "prelaunch"):
            raise HostProblem(f"QEMU could not load the template: {status}")
        await say("cont")

    qmp.converse(folder / qemu.QMP_SOCKET, load)


def _prune(keep: Path) -> None:
    """Forget the templates and layers that were not used for the longest time."""
    with locked(paths.templates_dir() / ".prune.lock"):
        others = [
            path for path in paths.templates_dir().glob("domus-*") if path.is_dir() and path.name != keep.name
        ]
        for old in sorted(others, key=lambda path: path.stat().st_mtime)[: -(KEPT - 1) or None]:
            # Running hosts keep the pages of a removed file; only new ones can no longer start from it.
            shutil.rmtree(old, ignore_errors=True)
        layers = [path for path in paths.layers_dir().glob("domus-*") if path.is_dir()]
        for old in sorted(layers, key=lambda path: path.stat().st_mtime)[:-8]:
            shutil.rmtree(old, ignore_errors=True)
