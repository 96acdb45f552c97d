"""VLANs of a port: of a Linux bridge as `10`, `10p/20-29`, `10p/100+10x4`, of Open vSwitch as `ovs0.10:20`.

Source: xl-network-configuration(5), vlan; xen tools/hotplug/Linux/vif-openvswitch; bridge(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from domus.model.errors import BadInput

#: IEEE 802.1Q: 0 and 4095 are reserved
_LEAST, _MOST = 1, 4094

_PIECE: Final = re.compile(r"(\d{1,4})(?:-(\d{1,4})|\+(\d{1,4})x(\d{1,4}))?(p|u)?")
_SWITCH: Final = re.compile(r"([^.:]+)(?:\.(\d{1,4}))?((?::\d{1,4})*)")


@dataclass(frozen=True)
class Vlans:
    """What a port takes part in."""

    own: int | None  #: of frames that come without a tag; None: they are dropped
    untagged: tuple[int, ...] = ()  #: whose frames leave without their tag
    tagged: tuple[int, ...] = ()

    def flags(self, device: str) -> list[str]:
        """The commands of `bridge` that make a port so."""
        commands = [f"vlan del dev {device} vid 1-4094"]
        for vid in sorted({*self.untagged, *self.tagged}):
            more = (" pvid" if vid == self.own else "") + (" untagged" if vid in self.untagged else "")
            commands.append(f"vlan add dev {device} vid {vid}{more}")
        return commands


def parse(text: str) -> Vlans:
    """What `vlan=` says; `p` is the VLAN of the port's own frames, `u` one whose frames lose their tag.

    Raises:
        BadInput: it is no list of VLANs.
    """
    own: list[int] = []
    untagged: list[int] = []
    tagged: list[int] = []
    for piece in text.split("/"):
        match = _PIECE.fullmatch(piece)
        if match is None:
            raise _wrong(text)
        vids = _vids(text, *(None if group is None else int(group) for group in match.groups()[:4]))
        if match[5] == "p":
            own += vids
        (untagged if match[5] else tagged).extend(vids)
    if not own and len(untagged) + len(tagged) == 1:  # the only one is its own
        own, untagged, tagged = [*untagged, *tagged], [*untagged, *tagged], []
    if len(own) > 1:
        raise BadInput(
            f"vlan {text!r} has more than one VLAN of the port's own", hint="p stands at one of them"
        )
    return Vlans(own[0] if own else None, tuple(untagged), tuple(tagged))


def of_switch(text: str) -> tuple[str, int | None, tuple[int, ...]]:
    """A bridge of Open vSwitch, the VLAN of the port, and those that it is a trunk of.

    Raises:
        BadInput: it is not BRIDGE[.TAG][:TRUNK...].
    """
    match = _SWITCH.fullmatch(text)
    if match is None:
        raise BadInput(f"bridge {text[:60]!r} is not BRIDGE[.TAG][:TRUNK...]", hint="such as ovs0.10:20:30")
    tag = None if match[2] is None else int(match[2])
    trunks = tuple(int(each) for each in match[3].split(":") if each)
    for vid in (*trunks, *(() if tag is None else (tag,))):
        if not _LEAST <= vid <= _MOST:
            raise BadInput(f"bridge {text[:60]!r}: {vid} is no VLAN", hint="1 to 4094")
    return match[1], tag, trunks


def _vids(text: str, first: int | None, last: int | None, step: int | None, count: int | None) -> list[int]:
    first = first or 0
    found = list(range(first, (last or first) + 1))
    if step is not None and count is not None:
        found = [first + step * number for number in range(count)]
    if not found or any(not _LEAST <= vid <= _MOST for vid in found):
        raise _wrong(text)
    return found


def _wrong(text: str) -> BadInput:
    return BadInput(f"vlan {text[:60]!r} is not understood", hint="such as 10, 10p/20 or 10p/100+10x4")
