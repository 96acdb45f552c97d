"""The memory of suspended domains: a file each, in a folder that only root can enter."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

FOLDER: Final = "suspended"


class Suspended:
    """The files of suspended domains, by the uuid of the domain.

    Args:
        state_dir: xend's state.
    """

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / FOLDER

    def file(self, uuid: str) -> Path:
        """Where the memory of a suspended domain is."""
        return self.folder / f"{uuid}.save"

    def __contains__(self, uuid: str) -> bool:
        return self.file(uuid).exists()

    async def forget(self, uuid: str) -> None:
        """Throw a suspended domain's memory away; harmless when there is none."""
        await asyncio.to_thread(self.file(uuid).unlink, missing_ok=True)
