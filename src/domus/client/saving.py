"""Domains into files of the host and back."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.model.api import DumpRequest, RestoreRequest, ResumeRequest, SaveFormat, SaveRequest
from domus.model.operation import Operation


class Saving:
    """`client.saving`. Paths are the host's, and absolute."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def save(
        self,
        ref: str,
        path: str,
        *,
        checkpoint: bool = False,
        file_format: SaveFormat = SaveFormat.DOMUS,
    ) -> Operation:
        """Begin to write a domain into a file; returns at once, see `Client.finish`."""
        request = SaveRequest(path=path, checkpoint=checkpoint, format=file_format)
        return self._calls.post(f"{domain_path(ref)}/save", request, Operation)

    def restore(self, path: str, *, paused: bool = False) -> Operation:
        """Begin to bring a saved domain back; returns at once, see `Client.finish`."""
        return self._calls.post("/v1/restore", RestoreRequest(path=path, paused=paused), Operation)

    def suspend(self, ref: str) -> Operation:
        """Begin to suspend a managed domain; returns at once, see `Client.finish`."""
        return self._calls.post(f"{domain_path(ref)}/suspend", None, Operation)

    def resume(self, ref: str, *, paused: bool = False) -> Operation:
        """Begin to resume a managed domain; returns at once, see `Client.finish`."""
        return self._calls.post(f"{domain_path(ref)}/resume", ResumeRequest(paused=paused), Operation)

    def dump_core(self, ref: str, request: DumpRequest) -> Operation:
        """Begin to write a domain's memory into a core file; the final operation has its `path`."""
        return self._calls.post(f"{domain_path(ref)}/dump-core", request, Operation)

    def reset(self, ref: str) -> Operation:
        """Begin to destroy a domain and to build it again; returns at once, see `Client.finish`."""
        return self._calls.post(f"{domain_path(ref)}/reset", None, Operation)
