"""What the checks look at: files below a root, processes, and what Xen and XenStore say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from domus.model.domain import DomainInfo
from domus.model.storage import Store


class Process(NamedTuple):
    """A process of domain 0."""

    pid: int
    name: str  #: its comm, at most 15 bytes
    words: tuple[str, ...]  #: its command line


class Files:
    """The host's files; what is missing or cannot be read is simply not there.

    Args:
        root: where they are; a test has its own.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """A path of the host, as it can be opened here."""
        return self.root / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """There is something of that name, be it a broken link."""
        return os.path.lexists(self.path(name))

    def text(self, name: str) -> str:
        """What is in it, without the last line end; "" when it cannot be read."""
        try:
            return self.path(name).read_text(errors="replace").rstrip("\n")
        except OSError:
            return ""

    def names(self, name: str) -> list[str]:
        """What is in a directory, sorted."""
        try:
            return sorted(path.name for path in self.path(name).iterdir())
        except OSError:
            return []

    def stat(self, name: str) -> os.stat_result | None:
        """Owner and permissions; links are followed."""
        try:
            return self.path(name).stat()
        except OSError:
            return None

    def processes(self) -> list[Process]:
        """Those of domain 0, kernel threads left out."""
        return list(self._processes())

    def _processes(self) -> Iterator[Process]:
        for name in self.names("/proc"):
            if not name.isdecimal():
                continue
            words = self.text(f"/proc/{name}/cmdline").rstrip("\0")
            if words:
                yield Process(int(name), self.text(f"/proc/{name}/comm"), tuple(words.split("\0")))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that a check may look at."""

    files: Files
    domains: list[DomainInfo]  #: all that Xen has, dying ones too
    version: Mapping[str, Any]  #: libxl_version_info
    physical: Mapping[str, Any]  #: libxl_physinfo
    virt_caps: str  #: as `xm info` shows them
    processes: list[Process]
    backends: Mapping[str, list[str]]  #: XenStore: kinds of backends of dom0, and the domids below each
    store_domids: list[str]  #: XenStore: names below /local/domain
    store_vms: list[str]  #: XenStore: names below /vm
    dom0_name: str | None  #: XenStore: its name, written by xen-init-dom0
    disks_in_use: frozenset[str] = frozenset()  #: "MAJOR:MINOR" in hexadecimal that a vbd's backend has
    stores: tuple[Store, ...] = ()  #: where disks are stored
    socket: str = ""  #: xend's own
    tls_dir: str = ""  #: xend's certificates
    state_dir: str = ""  #: xend's database
    kept: frozenset[str] = field(default_factory=frozenset)  #: uuids of domains that xend keeps

    @property
    def domids(self) -> set[str]:
        """The ids that Xen has, as text."""
        return {str(info.domid) for info in self.domains}

    def named(self, *names: str) -> list[Process]:
        """Processes of these names."""
        wanted = {name[:15] for name in names}
        return [process for process in self.processes if process.name in wanted]
