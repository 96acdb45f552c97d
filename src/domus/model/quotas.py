"""XenStore's quotas, as the API has them."""

from __future__ import annotations

import msgspec


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one thing a guest may have in XenStore; what it is counted in says its name."""

    name: str  #: as xenstored has it, such as "nodes" or "watches"
    value: int  #: 0: as much as it likes
    used: int | None = None  #: by the domain that was asked for; None: not known
    what: str = ""  #: xenstored's own words for it


class QuotaRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/host/xenstore/quotas, or of a domain: quotas from now on, by name."""

    values: dict[str, int]
