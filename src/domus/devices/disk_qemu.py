"""The QEMU that serves a domain's disks which are not raw: one process per domain, for each kind of guest.

libxl starts it with a domain that has such a disk when it is built, and leaves one that comes later waiting
for ever. So it is started here then, as libxl starts it, and noted where libxl looks: whoever destroys the
domain ends it. It belongs to nobody's session: xend may be killed, and started again, meanwhile.

Source: tools/libs/light/libxl_dm.c (libxl__build_device_model_args_new, libxl__destroy_device_model),
libxl_domain.c (libxl__destroy_domid: what image/device-model-pid means); QEMU hw/xen/xen-bus.c.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from domus.devices import qemu_counters
from domus.devices.backends import ROOT, DeviceKind
from domus.model.errors import HostProblem
from domus.programs import run
from domus.xen.xenstore import Transaction, XenStore

#: Where distributions have the QEMU of Xen's tools.
_PLACES: Final = (
    "/usr/libexec/xen-qemu-system-i386",
    "/usr/lib/xen/bin/qemu-system-i386",
    "/usr/lib64/xen/bin/qemu-system-i386",
    "/usr/libexec/xen/bin/qemu-system-i386",
    "/usr/local/lib/xen/bin/qemu-system-i386",
    "qemu-system-i386",
)

#: Sockets, and the file that its pid is in at first (libxl: XEN_RUN_DIR).
_RUN: Final = Path("/run/xen")
_LOGS: Final = Path("/var/log/xen")

#: Seconds for a QEMU to serve; libxl gives it a minute.
_STARTS_WITHIN: Final = 60.0
_LOOK_EVERY: Final = 0.05

#: Seconds for what is held back of disks.
_FLUSHED_WITHIN: Final = 60.0


def program() -> str:
    """Xen's QEMU on this host.

    Raises:
        HostProblem: there is none.
    """
    for place in _PLACES:
        if found := shutil.which(place):
            return found
    raise HostProblem(
        "this host has no QEMU for Xen, which serves disks that are not raw",
        hint="Debian's package is qemu-system-xen",
    )


async def pid(store: XenStore, domid: int) -> int | None:
    """The process that serves the domain's devices; None: none does."""
    text = await store.read_text(_noted(domid)) or ""
    if not text.isdecimal():
        return None
    try:
        words = Path(f"/proc/{text}/cmdline").read_bytes()
    except OSError:
        return None
    return int(text) if b"qemu" in words else None


async def start(
    store: XenStore,
    domid: int,
    name: str,
    memory_mib: int,
    call: Callable[[Callable[[], None]], Awaitable[None]],
) -> None:
    """Start one for a domain that has none.

    Args:
        call: runs a function that blocks, to its end whatever happens.

    Raises:
        HostProblem: it does not start, in QEMU's words.

    Effect:
        What it leaves when it fails, or is cut off, `stop` takes away.
    """
    await store.write(_ours(domid), "1")
    await call(partial(_launch, _argv(domid, name, memory_mib)))
    number = int(_pid_file(domid).read_text())
    await store.write(_noted(domid), str(number))
    _pid_file(domid).unlink()


async def stop(store: XenStore, domid: int) -> None:
    """End the one that was started here, once it serves no disk any more; harmless when there is none."""
    if await store.read(_ours(domid)) is None or await store.list(f"{ROOT}/{DeviceKind.QDISK}/{domid}"):
        return
    number = await pid(store, domid)
    if number is None and (found := _from_file(domid)):
        number = found
    if number is not None:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
        while Path(f"/proc/{number}").exists():
            await asyncio.sleep(_LOOK_EVERY)
    places = [_noted(domid), _ours(domid), f"/local/domain/0/device-model/{domid}"]
    await store.transaction(partial(_remove, places))
    for file in (_pid_file(domid), *_sockets(domid)):
        file.unlink(missing_ok=True)


async def flush(domid: int) -> None:
    """Have the QEMU that serves a domain's disks write what it holds back of them.

    Stopping does that (QEMU system/cpus.c, do_vm_stop: all requests are waited for, all images flushed); a
    domain without emulated processors takes no notice.

    Raises:
        HostProblem: it does not answer.
    """
    try:
        async with asyncio.timeout(_FLUSHED_WITHIN):
            await qemu_counters.ask(qemu_counters.socket(domid), "stop", "cont")
    except (OSError, ValueError, KeyError) as error:  # TimeoutError is one of the first
        raise HostProblem(f"the QEMU of domain {domid} does not write its disks: {error}") from error


async def _remove(paths: list[str], tx: Transaction) -> None:
    for path in paths:
        await tx.remove(path)


def _launch(argv: list[str]) -> None:
    run(argv, within=_STARTS_WITHIN)


def _argv(domid: int, name: str, memory_mib: int) -> list[str]:
    plain = re.sub(r"[^\w.+-]", "_", name)
    argv = [program(), "-xen-domid", str(domid), "-no-shutdown"]
    for what, socket in zip(("libxl-cmd", "libxenstat-cmd"), _sockets(domid), strict=True):
        argv += ["-chardev", f"socket,id={what},path={socket},server=on,wait=off"]
        argv += ["-mon", f"chardev={what},mode=control"]
    argv += ["-nodefaults", "-no-user-config", "-xen-attach", "-name", plain]
    argv += ["-vnc", "none", "-display", "none", "-nographic", "-machine", "xenpv", "-m", str(memory_mib)]
    # It returns once it serves. Without a category of messages its errors would go nowhere.
    argv += ["-daemonize", "-pidfile", str(_pid_file(domid))]
    return [*argv, "-d", "guest_errors", "-D", str(_LOGS / f"qemu-disks-{plain}.log")]


def last_words(devid: int) -> str:
    """What the QEMU that wrote last has to say of a device. Reads files: worker threads."""
    try:
        newest = max(_LOGS.glob("qemu-*.log"), key=lambda file: file.stat().st_mtime)
        lines = newest.read_text(errors="replace").splitlines()[-20:]
    except (OSError, ValueError):
        return ""
    said = next((line for line in reversed(lines) if f"'{devid}'" in line), "")
    return said.partition(": ")[2][:300]


def _noted(domid: int) -> str:
    return f"/local/domain/{domid}/image/device-model-pid"


def _ours(domid: int) -> str:
    """Where it is noted that xend started it."""
    return f"/libxl/{domid}/xend-disk-qemu"


def _pid_file(domid: int) -> Path:
    return _RUN / f"qemu-disks-{domid}.pid"


def _sockets(domid: int) -> tuple[Path, Path]:
    return _RUN / f"qmp-libxl-{domid}", _RUN / f"qmp-libxenstat-{domid}"


def _from_file(domid: int) -> int | None:
    try:
        number = int(_pid_file(domid).read_text())
        return number if b"qemu" in Path(f"/proc/{number}/cmdline").read_bytes() else None
    except (OSError, ValueError):
        return None
