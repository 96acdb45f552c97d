"""`xm block-attach`, `block-detach`, `block-list`, `block-configure`, `cd-insert`, `cd-eject`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from domus.cli.carry_out import carry_out
from domus.cli.device_table import number, path, show
from domus.cli.options import UsageError
from domus.config import vdev
from domus.model.config import Disk, DiskFormat
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.options import Call
    from domus.config.problems import Finding
    from domus.model.live import DeviceInfo

_MODES: Final = ("r", "w", "w!", "ro", "rw", "rw!")
#: types of BACKDEV that need no script of the host's
_TYPES: Final = ("phy", "file", "tap", "tap2", "lun", "image", "raw", "qcow", "qcow2", "vhd", "aio", "ioemu")
_SCRIPTED: Final = ("nbd", "enbd", "drbd", "iscsi", "npiv")
_FORMATS: Final = ("", "raw", "qcow", "qcow2", "vhd", "qed", "empty")


def attach(call: Call) -> int:
    """`xm block-attach DOM BACKDEV FRONTDEV MODE [BACKDOM]`, or `DOM DISK-SPEC ...` as xl has it."""
    domain, disk = _named(call)
    persist = call.has("persist")
    carry_out(
        call.client,
        lambda: call.client.devices.attach_disk(domain, _handed_over(call, disk), persist=persist),
    )
    return 0


def configure(call: Call) -> int:
    """`xm block-configure DOM BACKDEV FRONTDEV MODE [BACKDOM]`: another medium for a CD drive."""
    domain, disk = _named(call)
    carry_out(call.client, lambda: call.client.devices.change_medium(domain, _handed_over(call, disk)))
    return 0


def detach(call: Call) -> int:
    """`xm block-detach DOM DEVID [-f|--force]`."""
    domain, name = domain_and_device(call)
    name = name.removeprefix("vbd/").removeprefix("/dev/")
    force, persist = call.has("force"), call.has("persist")
    carry_out(
        call.client, lambda: call.client.devices.detach_disk(domain, name, force=force, persist=persist)
    )
    return 0


def insert(call: Call) -> int:
    """`xm cd-insert DOM VDEV TARGET`."""
    domain, name, target = call.words
    disk = _drive(name, str(Path(target).absolute()) if _is_path_here(target) else target)
    carry_out(call.client, lambda: call.client.devices.change_medium(domain, _handed_over(call, disk)))
    return 0


def eject(call: Call) -> int:
    """`xm cd-eject DOM VDEV`."""
    domain, name = call.words
    carry_out(call.client, lambda: call.client.devices.change_medium(domain, _drive(name, None)))
    return 0


def list_devices(call: Call) -> int:
    """`xm block-list DOM [-l|--long] [--json]`."""
    return show(call, "vbd", "Vdev  BE handle state evt-ch ring-ref BE-path", row)


def row(device: DeviceInfo) -> str:
    """One row of xm's table, its two spaces at the end included."""
    handle, events, ring = (
        number(device, "handle", 0),
        number(device, "event-channel"),
        number(device, "ring-ref"),
    )
    return (
        f"{device.devid:<5}  {device.backend_domid:<3}  {handle:<3}   {device.state:<3}    {events:<3}    "
        f"{ring:<5} {path(device):<30}  "
    )


def domain_and_device(call: Call) -> tuple[str, str]:
    """The two words of a detach command; more are ignored, as xm ignored them, with a line."""
    domain, name, *more = call.words
    for word in more:
        print(f"Ignoring option {word}")
    return domain, name


# The disk that the words name


def _named(call: Call) -> tuple[str, Disk]:
    from domus.config import alone

    domain, *words = call.words or [""]
    if not _is_specification(words):
        _check_positional(call, words)
    disk = alone.disk(",".join(words), directory=Path.cwd(), warn=_warn)
    return domain, replace(disk, backend_domain=None) if disk.backend_domain == "0" else disk


def _is_specification(words: Sequence[str]) -> bool:
    """Whether the words are parts of a disk specification as xl takes them, and not xm's three or four."""
    if len(words) in (3, 4):
        # `/dev/sdb raw xvdb w` is xl's: a format stands where xm has the device in the guest.
        return any("=" in word for word in words[1:]) or words[1] in _FORMATS
    return any("," in word or "=" in word for word in words)


def _check_positional(call: Call, words: Sequence[str]) -> None:
    """What xm said about BACKDEV FRONTDEV MODE [BACKDOM] before it asked xend."""
    if not 3 <= len(words) <= 4:
        name = call.command.name
        raise UsageError(f"'xm {name}' requires between 4 and 5 arguments.", command=call.command, gap=True)
    backdev, frontdev, mode = words[:3]
    kind, colon, _ = backdev.partition(":")
    if not colon and not backdev.startswith("/") and (backdev or not frontdev.endswith(":cdrom")):
        raise BadInput("Block device must have physical details specified", hint="such as phy:/dev/vg0/web")
    if colon and "/" not in kind and not _is_type(call, kind):
        raise BadInput(f'Block device type "{kind}" is invalid.', hint="phy, file or tap")
    bare = frontdev.removeprefix("ioemu:").removeprefix("/dev/").removesuffix(":disk").removesuffix(":cdrom")
    try:
        vdev.number(bare)
    except BadInput as error:
        raise BadInput(f"Unable to find number for device ({frontdev})", hint=error.hint) from None
    if mode not in _MODES:
        raise BadInput("Invalid mode", hint="r, w, or w! for a disk that others write to as well")


def _is_type(call: Call, kind: str) -> bool:
    if kind in (*_TYPES, *_SCRIPTED):
        return True
    # Another host's scripts are not to be seen from here: that host will say so.
    return not call.target.shares_files or os.access(f"/etc/xen/scripts/block-{kind}", os.X_OK)


def _drive(name: str, target: str | None) -> Disk:
    form = DiskFormat.RAW if target else DiskFormat.EMPTY
    return Disk(vdev=name.removeprefix("/dev/"), target=target, format=form, writable=False, cdrom=True)


def _is_path_here(target: str) -> bool:
    return not target.startswith(("lun:", "image:", "/")) and Path(target).exists()


def _handed_over(call: Call, disk: Disk) -> Disk:
    from domus.cli.handover import hand_over_disk

    return hand_over_disk(disk, call.target)


def _warn(finding: Finding) -> None:
    print(f"Warning: {finding}", file=sys.stderr)
