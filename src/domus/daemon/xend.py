"""What a running xend is made of, as its routes see it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from domus.daemon.settings import Settings

if TYPE_CHECKING:
    from domus.daemon.consoles import Consoles
    from domus.domains.service import Domains
    from domus.storage.blobs import BlobStore
    from domus.xen.libxl import Libxl


@dataclass(frozen=True)
class Xend:
    """The parts, opened by `wiring` and closed by it; a test hands over those that it is about."""

    domains: Domains
    libxl: Libxl
    blobs: BlobStore
    consoles: Consoles
    log_file: Path | None  #: where our own log is kept; None: nowhere
    stopping: asyncio.Future[None]  #: done as soon as xend begins to stop: streams end then
    settings: Settings = field(default_factory=Settings)
