"""Fields such as "hvm.vnc.enable", put together to a DomainConfig."""

from __future__ import annotations

from typing import Any, Final

from domus.model.config import (
    Arm,
    DeviceModel,
    DomainConfig,
    GuestType,
    Hvm,
    Pvh,
    Scheduling,
    Sdl,
    Spice,
    Vnc,
)

_GROUPS: Final[dict[str, type]] = {
    "hvm.vnc": Vnc,
    "hvm.sdl": Sdl,
    "hvm.spice": Spice,
    "hvm": Hvm,
    "pvh": Pvh,
    "device_model": DeviceModel,
    "arm": Arm,
    "scheduling": Scheduling,
}


def assemble(fields: dict[str, Any]) -> DomainConfig:
    """The model's structs, inner groups first."""
    fields = dict(fields)
    for group, struct in _GROUPS.items():
        prefix = f"{group}."
        members: dict[str, Any] = {
            path.removeprefix(prefix): fields.pop(path)
            for path in [p for p in fields if p.startswith(prefix)]
        }
        if members or (group == "hvm" and fields.get("guest_type") is GuestType.HVM):
            fields[group] = struct(**members)
    return DomainConfig(**fields)
