"""The building of an image: from a template, or from a root in a tar file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

import msgspec

from domus.model.errors import ProgramFailed, from_problem
from domus.model.images import ImageFormat
from domus.programs import Argument, start
from domus.storage.images import copying, names
from domus.storage.images.base import Entry, Store
from domus.storage.images.build import disk
from domus.storage.images.build.inside import Order, Said
from domus.storage.images.build.template import Wanted
from domus.storage.images.names import MIB, Report

#: what a build needs beside the packages that one asks for: the root as files, and twice as a file system
_SPACE_BYTES: Final = 2500 * MIB

#: what runs inside is the system's own, whatever stands first in the user's PATH
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def build(store: Store, wanted: Wanted, report: Report = names.silent) -> Entry:
    """Build an image of packages.

    Raises:
        AlreadyExists, NoCapacity: before anything starts.
        ProgramFailed: the distribution's tool, or another one, failed.
    """
    store.check_free(wanted.name)
    template = wanted.template
    root_bytes = (
        wanted.size_bytes if template.partition else disk.root_bytes(wanted.size_bytes, wanted.swap_bytes)
    )
    with store.working() as work:
        copying.need_space(work, _SPACE_BYTES)
        order = Order(
            work=str(work),
            wanted=wanted,
            tar="",
            fs=template.fs,
            root_bytes=root_bytes,
            root_uuid=disk.new_uuid(),
            swap_uuid=disk.new_uuid() if wanted.swap_bytes else "",
            bootable=not template.partition,
        )
        _inside(order, report)
        fresh = work / "part"
        if order.bootable:
            fresh = work / "disk"
            disk.assemble(
                fresh, wanted.size_bytes, work / "part", work / "core", wanted.swap_bytes, order.swap_uuid,
                lambda step, share: report(step, 0.95 + 0.04 * (share or 0)),
            )  # fmt: skip
        report("writing it to the disk", 0.99)
        return store.take_in(fresh, wanted.name, ImageFormat.RAW)


def from_tar(
    store: Store, tar: Path, name: str, size: int, fs: str = "ext4", report: Report = names.silent
) -> Entry:
    """Make a file system of a root in a tar file: a partition image, which boots with a kernel of the host's.

    Raises:
        AlreadyExists, NoCapacity, ProgramFailed.
    """
    store.check_free(name)
    with store.working() as work:
        copying.need_space(work, 3 * tar.stat().st_size)
        order = Order(
            work=str(work), wanted=None, tar=str(tar.absolute()), fs=fs, root_bytes=size,
            root_uuid=disk.new_uuid(), swap_uuid="", bootable=False,
        )  # fmt: skip
        _inside(order, report)
        return store.take_in(work / "part", name, ImageFormat.RAW)


def _inside(order: Order, report: Report) -> None:
    """Carry the order out in namespaces of its own: what ends us ends all that runs there, and its mounts."""
    note = Path(order.work) / "order.json"
    note.touch(0o600)
    note.write_bytes(msgspec.json.encode(order))
    # Whatever ends us, SIGKILL too, ends unshare, and with it all that runs inside.
    argv: list[Argument] = ["setpriv", "--pdeathsig=KILL"]
    argv += ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    if os.geteuid():
        argv += ["--map-root-user", "--map-auto"]
    argv += [sys.executable, "-P", "-m", "domus.storage.images.build.inside", note]
    # Ctrl-C is for us alone: we end what runs inside.
    process = start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, own_session=True, env=_ENVIRONMENT)
    problem = None
    try:
        assert process.stdout is not None  # noqa: S101 - both asked for above
        assert process.stderr is not None  # noqa: S101
        for line in process.stdout:
            said = msgspec.json.decode(line, type=Said)
            problem = said.problem or problem
            if said.step:
                report(said.step, said.share)
        errors = _last_line(process.stderr)
        status = process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if problem is not None:
        raise from_problem(problem)
    if status:
        raise ProgramFailed(f"the build ended with status {status}{f': {errors}' if errors else ''}")


def _last_line(stream: IO[bytes]) -> str:
    lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
