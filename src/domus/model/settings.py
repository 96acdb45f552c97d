"""What a host's administrator decides: for all its guests, and for those that come from other hosts."""

from __future__ import annotations

import msgspec


class GuestDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a guest gets whose configuration does not say."""

    bridge: str = ""  #: the bridge of its cards; "": the host's only or first one
    vif_script: str = ""  #: how its cards are plugged in; "": into a bridge
    vnc_listen: str = ""  #: where its VNC display listens; "": on the loopback
    vnc_password: str | None = None  #: of its VNC display; None: none is asked for
    keymap: str = ""  #: of its display, such as "de"; "": QEMU's own


class Relocation(msgspec.Struct, frozen=True, kw_only=True):
    """Which other hosts' domains this host takes."""

    accept: bool = True  #: any at all
    #: patterns (regular expressions, blanks between) of names in certificates and of addresses; "": whoever
    #: has a certificate of this host's authority
    allow: str = ""
