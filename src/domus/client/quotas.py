"""XenStore's quotas: `client.quotas`. `ref` is a name, an id or a uuid; None: all guests."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.model.quotas import Quota, QuotaRequest


class Quotas:
    """What guests may have in XenStore."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def get(self, ref: str | None = None) -> list[Quota]:
        """Those of all guests, or of one."""
        return self._calls.get(_path(ref), list[Quota])

    def set(self, values: dict[str, int], ref: str | None = None) -> None:
        """Set some, by name."""
        self._calls.ask("POST", _path(ref), QuotaRequest(values=values))


def _path(ref: str | None) -> str:
    return f"{'/v1/host' if ref is None else domain_path(ref)}/xenstore/quotas"
