"""LUNs: files of the machine that runs the lab, plugged into its hosts like disks of a SAN."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from qemu.qmp import ExecuteError

from domus.lab import paths, qemu, qmp, record
from domus.lab.built import locked
from domus.model.errors import BadInput, HostProblem, NotFound, Unreachable

#: MiB of the disk that hosts started together share; it takes room only where it was written
SHARED_MIB = 1024

_LETTING_GO_S = 5.0


class Lun(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a host has as a disk."""

    serial: str  #: what the host sees of it: its SCSI serial number
    path: str
    read_only: bool
    form: str = "raw"  #: raw, qcow2 or vhd: what the host sees is the disk that is in the file


#: QEMU's drivers by format
_DRIVERS = {"raw": "raw", "qcow2": "qcow2", "vhd": "vpc"}


def serial_of(path: Path) -> str:
    """The serial number under which every host sees the file at `path`: the same on all of them."""
    return "domus-" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:14]


def lend(host: str, path: Path, read_only: bool = False, form: str = "raw") -> str:
    """Give running host `host` the file at `path` as a disk, unless it has it already.

    Args:
        form: "qcow2" or "vhd" lets the lab's QEMU read the format, and write what the host writes into it;
            "raw" gives the host the file's bytes, whatever they are.

    Returns:
        "lun:SERIAL", as a disk's target names it.

    Raises:
        BadInput: the file is not there, is empty, is no file, or may not be written.
        Unreachable: the host does not run.
    """
    path = path.resolve()
    if not path.is_file() and not path.is_block_device():
        raise BadInput(f"{path}: no such disk image")
    if path.is_file() and path.stat().st_size < 512:
        raise BadInput(f"{path}: smaller than one sector", hint="truncate -s 1G FILE makes an empty disk")
    try:
        with path.open("rb" if read_only else "r+b"):
            pass
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    if not read_only and not path.stat().st_mode & 0o222:  # root is let in all the same
        raise BadInput(f"{path} is read-only", hint="mode r, or a clone of it: xm image clone")
    serial = serial_of(path)
    if not record.running(host):
        raise Unreachable(f"lab host {host} does not run", hint=f"xm lab up {host}")
    folder = record.folder(host)
    with locked(folder / "luns.lock"):
        present = {lun.serial: lun for lun in luns(host)}
        if serial in present and (present[serial].read_only and not read_only):
            _unplug(folder, serial)
            del present[serial]
        if serial not in present:
            _plug(folder, Lun(serial=serial, path=str(path), read_only=read_only, form=form))
    return f"lun:{serial}"


def lend_shared(hosts: Sequence[str]) -> Lun:
    """Give all of `hosts`, which run, the lab's shared disk; it is made empty when there is none yet.

    Raises:
        DomusError: as `lend`.
    """
    path = paths.state_dir() / "shared.img"
    with locked(paths.state_dir() / ".shared.lock"):
        if not path.exists():
            part = path.with_name(f".{path.name}.part")
            with part.open("wb") as file:
                file.truncate(SHARED_MIB * 2**20)
            part.rename(path)
    for host in hosts:
        lend(host, path)
    return Lun(serial=serial_of(path), path=str(path), read_only=False)


def take_back(host: str, path: Path) -> None:
    """Unplug the file at `path` from `host`. Raises NotFound when the host does not have it."""
    folder = record.folder(host)
    with locked(folder / "luns.lock"):
        if serial_of(path) not in [lun.serial for lun in luns(host)]:
            raise NotFound(f"lab host {host} does not have {path}", hint=f"xm lab disk list {host}")
        _unplug(folder, serial_of(path))


def luns(host: str) -> list[Lun]:
    """The files that `host` has as disks, as QEMU says."""

    async def ask(say: qmp.Say) -> Any:
        return await say("query-named-block-nodes", flat=True)

    if not record.running(host):
        return []
    nodes = qmp.converse(record.folder(host) / qemu.QMP_SOCKET, ask)
    return [
        Lun(
            serial=node["node-name"].removesuffix("-file"),
            path=node["file"],
            read_only=node["ro"],
        )
        for node in sorted(nodes, key=lambda node: str(node["file"]))
        if node.get("node-name", "").startswith("domus-") and node["node-name"].endswith("-file")
    ]


def _plug(folder: Path, lun: Lun) -> None:
    async def plug(say: qmp.Say) -> None:
        driver = "host_device" if Path(lun.path).is_block_device() else "file"
        file = {
            "driver": driver,
            "node-name": f"{lun.serial}-file",
            "filename": lun.path,
            # several hosts may have it: who may write when is for their domains' configurations to say
            "locking": "off",
            "read-only": lun.read_only,
            "cache": {"direct": False, "no-flush": False},
        }
        if driver == "host_device":
            del file["locking"]
        await say("blockdev-add", **file)
        try:
            await say(
                "blockdev-add",
                **{"driver": _DRIVERS[lun.form], "node-name": lun.serial, "file": f"{lun.serial}-file"},
                read_only=lun.read_only,
            )
            await say(
                "device_add",
                driver="scsi-hd",
                id=lun.serial,
                drive=lun.serial,
                serial=lun.serial,
                bus="san.0",
                share_rw=True,
            )
        except BaseException:
            await _drop(say, lun.serial)
            raise

    qmp.converse(folder / qemu.QMP_SOCKET, plug)


def _unplug(folder: Path, serial: str) -> None:
    async def unplug(say: qmp.Say) -> None:
        await say("device_del", id=serial)
        await _drop(say, serial)

    qmp.converse(folder / qemu.QMP_SOCKET, unplug)


async def _drop(say: qmp.Say, serial: str) -> None:
    """Remove the nodes of a LUN; QEMU lets them go a moment after the device that had them."""
    until = time.monotonic() + _LETTING_GO_S
    for node in (serial, f"{serial}-file"):
        while True:
            try:
                await say("blockdev-del", **{"node-name": node})
            except ExecuteError as error:
                if "in use" in str(error) and time.monotonic() < until:
                    await asyncio.sleep(0.02)
                    continue
                if "find" not in str(error):  # it was never made
                    raise HostProblem(f"QEMU keeps {node}: {error}") from error
            break
