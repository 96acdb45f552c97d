"""Shares of caches and memory bandwidth: `client.psr`. `ref` is a name, an id or a uuid."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.model.psr import Measured, MeasureRequest, PsrHardware, PsrShare, PsrUse, Shared, ShareRequest


class Psr:
    """Intel's resource director, where the host has it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def hardware(self) -> PsrHardware:
        """What the host's CPUs can do."""
        return self._calls.get("/v1/host/psr", PsrHardware)

    def measure(self, ref: str, *, on: bool) -> None:
        """Begin to measure a domain's use, or end that."""
        self._calls.ask("POST", f"{domain_path(ref)}/psr/measuring", MeasureRequest(on=on))

    def uses(self, kind: Measured, ref: str | None = None) -> list[PsrUse]:
        """What the measured domains use, or one of them."""
        return self._calls.get(f"{_path(ref)}/uses/{kind}", list[PsrUse])

    def shares(self, kind: Shared, ref: str | None = None) -> list[PsrShare]:
        """What domains may use, or one of them."""
        return self._calls.get(f"{_path(ref)}/shares/{kind}", list[PsrShare])

    def share(self, ref: str, request: ShareRequest) -> None:
        """Set what a domain may use."""
        self._calls.ask("POST", f"{domain_path(ref)}/psr/share", request)


def _path(ref: str | None) -> str:
    return "/v1/host/psr" if ref is None else f"{domain_path(ref)}/psr"
