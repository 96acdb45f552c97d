"""Domains into files of the host and back."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.model.api import RestoreRequest, SaveRequest
from domus.model.operation import Operation


class Saving:
    """`client.saving`. Paths are the host's, and absolute."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def save(self, ref: str, path: str, *, checkpoint: bool = False) -> Operation:
        """Begin to write a domain into a file; returns at once, see `Client.finish`."""
        request = SaveRequest(path=path, checkpoint=checkpoint)
        return self._calls.post(f"{domain_path(ref)}/save", request, Operation)

    def restore(self, path: str, *, paused: bool = False) -> Operation:
        """Begin to bring a saved domain back; returns at once, see `Client.finish`."""
        return self._calls.post("/v1/restore", RestoreRequest(path=path, paused=paused), Operation)
