"""The one door to qemu-img, which alone knows the formats of images.

QEMU opens what an image names: a qcow2 file its backing file, a VMDK descriptor its extents. So the format
is always given and never guessed, and a foreign image is looked at within bounds (`foreign`), and used only
when it refers to nothing but itself (`check_alone`).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from domus.model.errors import BadInput
from domus.programs import Argument, Finished, failure, run, start
from domus.storage.images.names import Report

#: by our names of formats and by file suffixes, QEMU's driver
DRIVERS: Final = {
    "raw": "raw",
    "img": "raw",
    "iso": "raw",
    "qcow2": "qcow2",
    "qcow": "qcow",
    "vmdk": "vmdk",
    "vhd": "vpc",
    "vpc": "vpc",
    "vhdx": "vhdx",
    "vdi": "vdi",
}

#: what qemu-img may have for a foreign image; its own needs are some 50 MiB
_LIMITS: Final = ("prlimit", "--as=2147483648", "--cpu=3600", "--core=0", "--")

_PROGRESS: Final = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")


class Info(msgspec.Struct, frozen=True, rename="kebab"):
    """What `qemu-img info --output=json` says."""

    virtual_size: int
    format: str
    backing_filename: str | None = None
    actual_size: int = 0
    format_specific: dict[str, Any] | None = None


def info(path: Path, driver: str, *, foreign: bool = False) -> Info:
    """What is known of an image; it may be in use.

    Raises:
        ProgramFailed: it is not of that format, is damaged, or cannot be read.
    """
    argv: list[Argument] = ["qemu-img", "info", "--output=json", "-U", "-f", driver, path.absolute()]
    return msgspec.json.decode(run(_bounded(argv, foreign), within=60).stdout, type=Info)


def check_alone(path: Path, found: Info) -> None:
    """Refuse a foreign image that refers to other files: they would be read with our rights.

    Raises:
        BadInput: it does.
    """
    data: dict[str, Any] = (found.format_specific or {}).get("data", {})
    other = found.backing_filename or data.get("data-file")
    if not other:
        others = [each.get("filename") for each in data.get("extents", ())]
        other = next((name for name in others if name != str(path.absolute())), None)
    if other:
        raise BadInput(
            f"{path} takes its data from another file ({str(other)[:200]!r}), which is not followed",
            hint="make one image of it where both are: qemu-img convert",
        )


def create(path: Path, form: str, size_bytes: int, *options: str) -> None:
    """Make an empty image."""
    run(["qemu-img", "create", "-q", "-f", DRIVERS[form], *options, path, str(size_bytes)], within=600)


def create_overlay(path: Path, base: str, base_form: str, size_bytes: int) -> None:
    """Make a qcow2 file whose data is that of `base`, a name in its folder, until it is written."""
    run(
        [
            *("qemu-img", "create", "-q", "-u", "-f", "qcow2"),
            *("-b", base, "-F", DRIVERS[base_form], path, str(size_bytes)),
        ],
        within=60,
    )


def convert(
    source: Path,
    source_driver: str,
    target: Path,
    target_driver: str,
    report: Report,
    step: str,
    *,
    foreign: bool = False,
    into_existing: bool = False,
) -> None:
    """Write the disk that `source` holds to `target`, zeros left out.

    Raises:
        ProgramFailed: the source is damaged, the disk is full.
    """
    argv = [
        *("qemu-img", "convert", "-p", *(("-n",) if into_existing else ())),
        *("-f", source_driver, "-O", target_driver, source.absolute(), target.absolute()),
    ]
    _followed(_bounded(argv, foreign), report, step)


def _bounded(argv: Sequence[Argument], foreign: bool) -> list[Argument]:
    return [*_LIMITS, *argv] if foreign else list(argv)


def _followed(argv: Sequence[Argument], report: Report, step: str) -> None:
    report(step, 0.0)
    process = start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said: deque[bytes] = deque(maxlen=64)
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        while piece := os.read(process.stdout.fileno(), 65536):
            if done := _PROGRESS.findall(piece):
                report(step, float(done[-1]) / 100)
            else:
                said.append(piece)
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if status:
        words = tuple(str(word) for word in argv)
        raise failure(Finished(words, status, "", b"".join(said).decode(errors="replace")))
