"""Buttons and keys: what can be pressed on a domain or on Xen itself."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class TriggerRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/trigger: press a button of an HVM guest."""

    trigger: str  #: "power", "sleep", "nmi", "init", "reset" or "s3resume"
    vcpu: int = 0


class SysrqRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/sysrq: press a magic SysRq key of a Linux guest."""

    key: str  #: one character


class MonitorRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/monitor: a command for the monitor of a domain's QEMU."""

    command: str  #: as in QEMU's monitor, such as "info block"


class MonitorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What QEMU's monitor printed."""

    text: str


class DebugKeysRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/host/debug-keys: press keys on Xen's console; it answers in its messages."""

    keys: str


class OverlayVerb(StrEnum):
    """What is done with a device-tree overlay."""

    ADD = "add"
    REMOVE = "remove"
    ATTACH = "attach"


class OverlayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/host/dt-overlay: change the host's device tree (Arm)."""

    overlay: bytes  #: compiled, as dtc makes it
    do: OverlayVerb
    domain: str | None = None  #: that gets the overlay's devices, for "attach"


class ParametersRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/host/parameters: change parameters of Xen's command line while it runs."""

    parameters: str  #: as on the command line, such as "loglvl=all"


class Uptime(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a domain has been running."""

    name: str
    domid: int | None = None
    uuid: str
    seconds: int = 0  #: since its start; 0: not known, or it does not run
