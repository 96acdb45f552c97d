"""Devices as the specifications of configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from domus.config.writing.others import put_others
from domus.config.writing.pairs import joined
from domus.model.config import Disk, DiskFormat, Framebuffer, Nic, NicKind, PciDevice

if TYPE_CHECKING:
    from domus.config.writing.variables import Variables

_TAP: Final = {DiskFormat.QCOW: "qcow", DiskFormat.QCOW2: "qcow2", DiskFormat.VHD: "vhd"}


def put_devices(made: Variables) -> None:
    """All lists of devices."""
    config = made.config
    made.put("disk", [disk_text(disk, made) for disk in config.disks])
    made.put("vif", [nic_text(nic, made) for nic in config.nics])
    made.put("vfb", [vfb_text(vfb) for vfb in config.framebuffers])
    made.put("pci", [pci_text(device) for device in config.pci_devices])
    put_others(made)


def disk_text(disk: Disk, made: Variables) -> str:
    """A disk: in xm's form if that can say it and xm is written, else in xl's."""
    if made.dialect == "xm" and (text := xm_disk(disk)) is not None:
        return text
    return xl_disk(disk)


def xl_disk(disk: Disk) -> str:
    """A disk in xl's form."""
    words = [f"vdev={disk.vdev}", f"format={disk.format.value}"]
    words.append("cdrom" if disk.cdrom else f"access={'rw' if disk.writable else 'ro'}")
    for key, value in (
        ("backend", disk.backend_domain),
        ("backendtype", disk.backend),
        ("script", disk.script),
        ("specification", disk.specification),
        ("grant_usage", None if disk.grant_usage is None else int(disk.grant_usage)),
    ):
        if value is not None:
            words.append(f"{key}={value}")
    if disk.direct_io_safe:
        words.append("direct-io-safe")
    if disk.discard is not None:
        words.append("discard" if disk.discard else "no-discard")
    if disk.trusted is not None:
        words.append("trusted" if disk.trusted else "untrusted")
    if disk.target is not None:
        words.append(f"target={disk.target}")  # the last: it takes the rest of the text
    return ",".join(words)


def xm_disk(disk: Disk) -> str | None:
    """UNAME,VDEV,MODE[,BACKEND]; None: xm's form cannot say it."""
    plain = Disk(
        vdev=disk.vdev,
        target=disk.target,
        format=disk.format,
        writable=disk.writable,
        shared=disk.shared,
        cdrom=disk.cdrom,
        script=disk.script,
        backend_domain=disk.backend_domain,
    )
    target = disk.target or ""
    if plain != disk or "," in target or (disk.shared and not disk.writable):
        return None
    if disk.script is not None:
        kind = disk.script.removeprefix("block-")
        if disk.format is not DiskFormat.RAW:
            return None
        if kind == disk.script or kind in ("phy", "file", "tap", "tap2") or not kind.isalnum():
            return None
        uname = f"{kind}:{target}"
    elif not target:
        uname = ""
    elif disk.format is DiskFormat.RAW:
        uname = f"phy:{target}" if target.startswith("/dev/") else f"file:{target}"
        uname = target if target.startswith(("lun:", "image:")) else uname
    elif disk.format in _TAP:
        uname = f"tap:{_TAP[disk.format]}:{target}"
    else:
        return None
    mode = "w!" if disk.shared else "w" if disk.writable else "r"
    parts = [uname, disk.vdev + (":cdrom" if disk.cdrom else ""), mode]
    return ",".join(parts + ([disk.backend_domain] if disk.backend_domain else []))


def uname(disk: Disk) -> str:
    """What is behind a disk, as xend named it, or as well as that can be said."""
    plain = xm_disk(msgspec.structs.replace(disk, backend=None, discard=None, trusted=None))
    if plain is not None:
        return plain.partition(",")[0]
    target = disk.target or ""
    return f"{'phy:' if target.startswith('/dev/') else 'file:' if target else ''}{target}"


def nic_text(nic: Nic, made: Variables) -> str:
    """A network card."""
    is_xls = made.dialect == "xl"
    kind = None if nic.kind is None else ("ioemu" if nic.kind is NicKind.IOEMU else "vif")
    text = joined(
        (
            ("devid", nic.devid),
            ("mac", nic.mac),
            ("bridge", nic.bridge),
            ("network", nic.network),
            ("ip", " ".join(nic.ips)),
            ("vifname", nic.vifname),
            ("type", kind),
            ("model", nic.model),
            ("mtu", nic.mtu),
            ("rate", _rate(nic, made)),
            ("script", nic.script),
            ("gatewaydev", nic.gateway_device),
            ("vlan", nic.vlan),
            ("backend", nic.backend_domain),
            *(() if is_xls else (("antispoof", nic.antispoof), ("isolated", nic.isolated))),
        )
    )
    if nic.network is not None and is_xls:
        made.lose("vif network: xl knows bridges only")
    if is_xls and (nic.antispoof is not None or nic.isolated):
        made.lose("vif antispoof, isolated: xl has no packet filters")
    if nic.trusted is None:
        return text
    flag = "trusted" if nic.trusted else "untrusted"
    return f"{text},{flag}" if text else flag


def _rate(nic: Nic, made: Variables) -> str | None:
    if nic.rate_bytes is None:
        return None
    interval = 50_000 if nic.rate_interval_us is None else nic.rate_interval_us
    per_second = -(-nic.rate_bytes * 1_000_000 // interval)
    if per_second * interval // 1_000_000 != nic.rate_bytes or per_second >= 1 << 32:
        per_second = min(per_second, (1 << 32) - 1)
    unit = f"{interval // 1000}ms" if interval % 1000 == 0 else f"{interval}us"
    return f"{per_second}B/s" if interval == 50_000 else f"{per_second}B/s@{unit}"


def vfb_text(vfb: Framebuffer) -> str:
    """A framebuffer."""
    vnc, sdl = vfb.vnc, vfb.sdl
    text = joined(
        (
            ("vnc", True if vnc.enable is None else vnc.enable),
            ("vnclisten", vnc.listen),
            ("vncdisplay", vnc.display),
            ("vncunused", vnc.find_unused),
            ("sdl", sdl.enable),
            ("opengl", sdl.opengl),
            ("display", sdl.display),
            ("xauthority", sdl.xauthority),
            ("keymap", vfb.keymap),
        )
    )
    return text if vnc.password is None else f"{text},vncpasswd={vnc.password}"


def pci_text(device: PciDevice) -> str:
    """A PCI device."""
    options = joined(
        (
            ("msitranslate", device.msitranslate),
            ("power_mgmt", device.power_mgmt),
            ("permissive", device.permissive),
            ("seize", device.seize),
            ("rdm_policy", device.rdm_policy),
        )
    )
    slot = "" if device.vdevfn is None else f"{device.vdevfn >> 3:02x}"
    if device.name is not None:
        return ",".join(filter(None, (f"name={device.name}", slot and f"vslot={slot}", options)))
    function = "*" if device.all_functions else f"{device.function:x}"
    address = f"{device.domain:04x}:{device.bus:02x}:{device.device:02x}.{function}"
    return ",".join(filter(None, (address + (f"@{slot}" if slot else ""), options)))
