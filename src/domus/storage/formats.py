"""Whether an image file is in the format that its configuration says, whole, and what it stands on.

The format is always the one that was said: what a guest wrote into a raw disk must never make it another
one, since a header of qcow2 names other files of the host to read from. So a raw file that begins as another
format is refused, and a qcow2 file must say which format its backing file has.

The formats themselves are qemu-img's business.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

from domus.model.config import DiskFormat
from domus.model.errors import BadInput, NotFound
from domus.programs import run

#: Seconds for a look at an image; one that takes longer is not looked at any further.
_WITHIN: Final = 30.0
#: Images that stand on each other, at the most.
_DEEP: Final = 32

_SECTOR: Final = 512
_CLUSTER_MAX: Final = 2 << 20  # bytes of a cluster of qcow2 (QEMU block/qcow2.h, MAX_CLUSTER_BITS)

Facts = dict[str, Any]

#: How files of other formats than raw begin (QEMU's block/*.c; the VHD specification, section "Footer").
_BEGINNINGS: Final = (
    (b"QFI\xfb\x00\x00\x00\x01", "qcow"),
    (b"QFI\xfb", "qcow2"),
    (b"QED\x00", "qed"),
    (b"conectix", "vhd"),
    (b"vhdxfile", "vhdx"),
    (b"KDMV", "vmdk"),
)
#: formats that qemu-img can check for being whole
_CHECKED: Final = (DiskFormat.QCOW2, DiskFormat.QED)


def begins_as(path: str) -> str | None:
    """The format that a file's first bytes are those of; None: of none but raw. Reads eight bytes."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            start = file.read(8)
    except OSError:
        return None
    return next((name for magic, name in _BEGINNINGS if start.startswith(magic)), None)


def check_raw(path: str, where: str) -> None:
    """Refuse a raw image file that begins as one of another format.

    Raises:
        BadInput: it does.
    """
    if (name := begins_as(path)) is not None:
        said = (
            f"say that it is {name}"
            if name in tuple(DiskFormat)
            else f"convert it: qemu-img convert -f {name}"
        )
        raise BadInput(
            f"{path} is a {name} image, and its configuration says raw",
            where=where,
            hint=f"{said}, if not a guest wrote this header into a raw disk",
        )


def examine(path: str, form: DiskFormat, where: str) -> list[str]:
    """Look at an image that is not raw; returns the images that it stands on, the next one first.

    Raises:
        BadInput: it is in another format, damaged or cut short, or stands on what it should not.
        NotFound: an image that it stands on is missing.
        ProgramFailed: qemu-img is not installed, or took too long.

    Where it runs:
        Starts qemu-img, for some tenths of a second each time: worker threads.
    """
    _check_beginning(path, form, where)
    below = chain(path, form.value, where)
    if form in _CHECKED:
        _check_whole(path, form.value, where)
    return below


def chain(path: str, form: str, where: str = "") -> list[str]:
    """The images that one stands on, the next one first; real paths. Raises, and runs, as `examine`."""
    found: list[str] = []
    while form != DiskFormat.RAW.value:
        facts = _asked("info", path, form, where)
        backing = _backing(path, facts, where)
        if backing is None:
            break
        path, form = backing
        found.append(os.path.realpath(path))
        if len(found) > _DEEP:
            raise BadInput(f"{found[0]} stands on more than {_DEEP} other images", where=where)
    return found


def virtual_bytes(path: str, form: str, where: str = "") -> int:
    """What a guest sees of an image that is not raw. Raises, and runs, as `examine`."""
    return int(_asked("info", path, form, where)["virtual-size"])


def _check_beginning(path: str, form: DiskFormat, where: str) -> None:
    found = begins_as(path)
    if found == form.value:
        return
    if form is DiskFormat.VHD and found is None and _ends_as_vhd(path):
        return
    if found:
        what = f"is a {found} image, and its configuration says {form.value}"
    else:
        what = f"is no {form.value} image"
    hint = "or it was cut short: its footer is missing" if form is DiskFormat.VHD else ""
    raise BadInput(f"{path} {what}", where=where, hint=hint)


def _ends_as_vhd(path: str) -> bool:
    # A fixed VHD is the raw disk with a footer behind it.
    with Path(path).open("rb", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _SECTOR))
        return file.read(8) == b"conectix"


def _backing(path: str, facts: Facts, where: str) -> tuple[str, str] | None:
    """The path and format of the image that this one stands on; None: on none."""
    specific = facts.get("format-specific", {}).get("data", {})
    if specific.get("corrupt"):
        raise BadInput(f"{path} is marked as corrupt", where=where, hint=f"qemu-img check -r all {path}")
    if "data-file" in specific:
        raise BadInput(f"{path} keeps its data in another file, which is not supported", where=where)
    name = facts.get("full-backing-filename") or facts.get("backing-filename")
    if name is None:
        return None
    if not isinstance(name, str) or not name.startswith("/"):
        raise BadInput(f"{path} stands on {str(name)[:80]!r}, which is no file of this host", where=where)
    form = facts.get("backing-filename-format")
    if form is None:
        # QEMU would guess it from the first bytes, which a guest may have written.
        raise BadInput(
            f"{path} does not say which format its backing file {name} has",
            where=where,
            hint=f"qemu-img rebase -u -b {name} -F raw {path}, or -F qcow2",
        )
    if not Path(name).exists():
        raise NotFound(f"Disk image does not exist: {name}", where=where, hint=f"{path} stands on it")
    return name, {"vpc": "vhd"}.get(str(form), str(form))


def _check_whole(path: str, form: str, where: str) -> None:
    facts = _asked("check", path, form, where)
    if facts.get("corruptions") or facts.get("check-errors"):
        raise BadInput(f"{path} is damaged", where=where, hint=f"qemu-img check {path} says how")
    file, end = Path(path).stat(), facts.get("image-end-offset", 0)
    # What lies behind the last byte that was written of the last cluster need not be there.
    if stat.S_ISREG(file.st_mode) and end - file.st_size >= _CLUSTER_MAX:
        raise BadInput(f"{path} is truncated: {file.st_size} of {end} bytes are there", where=where)


def _asked(verb: str, path: str, form: str, where: str) -> Facts:
    """What `qemu-img info` or `check` says."""
    name = "vpc" if form == DiskFormat.VHD.value else form
    # -U: a running domain may have it open; nothing is written.
    argv = ["qemu-img", verb, "--output=json", "-U", "-f", name, path]
    done = run(argv, check=False, within=_WITHIN)
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        facts = None
    # `check` has other exit statuses for what it found: 2 damage, 3 leaks (qemu-img(1)).
    if isinstance(facts, dict) and (not done.status or verb == "check"):
        return facts
    said = next((line for line in done.stderr.splitlines() if line.strip()), "it says nothing")
    raise BadInput(f"{path} cannot be read as {form}: {said.removeprefix('qemu-img: ')}", where=where)
