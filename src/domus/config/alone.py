"""Single devices, as the arguments of a command name them: read by the same rules as in a file.

>>> disk("phy:/dev/vg0/web,xvdb,w").vdev
'xvdb'
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from domus.config.document import Document, Spec
from domus.config.problems import Finding, Report, Source
from domus.config.reading.disks import read_disk
from domus.config.reading.nics import read_nic
from domus.config.reading.others import read_vdispl, read_vkb
from domus.config.reading.pci import read_pci
from domus.config.reading.reading import Reading
from domus.config.reading.sound import read_card
from domus.model.config import Disk, Nic, PciDevice, Vdispl, Vkb, Vsnd
from domus.model.errors import Internal

T = TypeVar("T")

Warn = Callable[[Finding], None]


def disk(text: str, *, directory: Path | None = None, warn: Warn = lambda finding: None) -> Disk:
    """A disk in xm's form or in xl's.

    Args:
        directory: where a relative path begins; None: there are none.
        warn: told what is doubtful.

    Raises:
        InvalidConfig: with everything that is wrong.
    """
    return _read(read_disk, "disk", text, directory, warn)


def nic(text: str, *, warn: Warn = lambda finding: None) -> Nic:
    """A network card: `key=value,key=value`. As `disk`."""
    return _read(read_nic, "vif", text, None, warn)


def pci(text: str, *, warn: Warn = lambda finding: None) -> list[PciDevice]:
    """PCI devices, several if the text names several functions of one. As `disk`."""
    return _read(lambda _, spec: read_pci(spec), "pci", text, None, warn)


def vkb(text: str) -> Vkb:
    """A paravirtualized keyboard. As `disk`."""
    return _read(lambda _, spec: read_vkb(spec), "vkb", text, None, _quiet)


def vdispl(text: str) -> Vdispl:
    """A paravirtualized display. As `disk`."""
    return _read(lambda _, spec: read_vdispl(spec), "vdispl", text, None, _quiet)


def vsnd(parts: list[str]) -> Vsnd:
    """A paravirtualized sound card, in its parts `CARD,...`, `PCM,...`, `STREAM,...`. As `disk`."""
    return _read(lambda reading, _: read_card(reading, 0, parts), "vsnd", " ".join(parts), None, _quiet)


def _quiet(_: Finding) -> None:
    """These have nothing that is merely doubtful."""


def _read(
    read: Callable[[Reading, Spec], T | None], label: str, text: str, directory: Path | None, warn: Warn
) -> T:
    report = Report(Source("", text))
    reading = Reading(Document(report, "xm", base=directory, directory=directory))
    found = read(reading, Spec(report, label, text, None))
    report.check()
    for finding in report.warnings:
        warn(finding)
    if found is None:
        raise Internal(f"{label} {text[:80]!r} was not understood, and nothing said why")
    return found
