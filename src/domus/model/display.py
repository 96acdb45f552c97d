"""A domain's display as the API has it: served by QEMU in domain 0 by VNC, relayed by xend."""

from __future__ import annotations

import msgspec


class Display(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GET /v1/domains/REF/display: what a viewer needs to know before it connects."""

    domain: str  #: its name
    domid: int
    password: str = ""  #: that the viewer is asked for; "": none is
