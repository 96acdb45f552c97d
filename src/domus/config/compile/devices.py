"""Devices as libxl's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domus.model.config import (
    Channel,
    Disk,
    DiskFormat,
    DomainConfig,
    Framebuffer,
    Nic,
    PciDevice,
    Sdl,
    SoundParams,
    UsbController,
    UsbDevice,
    Vdispl,
    Vkb,
    Vnc,
    Vsnd,
    Vtpm,
)
from domus.model.errors import BadInput

Json = dict[str, Any]


def disk_json(disk: Disk, hotplug_script: str) -> Json:
    """A disk. Its format is always written: without one libxl falls through to qdisk."""
    made: Json = {"pdev_path": disk.target, "vdev": disk.vdev, "format": disk.format.value}
    if disk.target is None:
        del made["pdev_path"]
    made["readwrite"] = int(disk.writable and not disk.cdrom)
    if disk.cdrom:
        made["is_cdrom"] = made["removable"] = 1
    if disk.backend is not None:
        made["backend"] = disk.backend
    elif hotplug_script and _is_ours(disk):
        made["backend"] = "phy"
    script = disk.script or (hotplug_script if _is_ours(disk) else "")
    if script:
        made["script"] = script
    _backend(made, disk.backend_domain)
    _defbool(made, "discard_enable", disk.discard)
    _defbool(made, "trusted", disk.trusted)
    _defbool(made, "grant_usage", disk.grant_usage)
    if disk.direct_io_safe:
        made["direct_io_safe"] = True
    if disk.specification is not None:
        made["specification"] = disk.specification
    return made


def _is_ours(disk: Disk) -> bool:
    """Whether xend plugs the disk itself: the kernel's block backend in dom0 serves it.

    Other formats, drives that can be emptied, and the disks of driver domains are left to libxl.
    """
    return (
        disk.format is DiskFormat.RAW
        and disk.target is not None
        and not disk.cdrom
        and disk.script is None
        and disk.backend in (None, "phy")
        and disk.backend_domain is None
        and disk.specification in (None, "xen")
    )


def nic_json(nic: Nic, index: int, hotplug_script: str) -> Json:
    """A network card."""
    made: Json = {"devid": index if nic.devid is None else nic.devid}
    for key, value in (
        ("mac", nic.mac),
        ("bridge", nic.bridge),
        ("ip", " ".join(nic.ips) or None),
        ("ifname", nic.vifname),
        ("model", nic.model),
        ("nictype", nic.kind.value if nic.kind is not None else None),
        ("mtu", nic.mtu),
        ("rate_bytes_per_interval", nic.rate_bytes),
        ("rate_interval_usecs", nic.rate_interval_us),
        ("gatewaydev", nic.gateway_device),
        ("vlan", nic.vlan),
    ):
        if value is not None:
            made[key] = value
    _backend(made, nic.backend_domain)
    _defbool(made, "trusted", nic.trusted)
    script = nic.script or (hotplug_script if nic.backend_domain is None else "")
    if script:
        made["script"] = script
    return made


def lists_of_devices(config: DomainConfig, *, on_this_host: bool = True) -> Json:
    """All other lists of devices, those that are not empty."""
    lists: Json = {
        "vfbs": [_framebuffer(index, vfb) for index, vfb in enumerate(config.framebuffers)],
        "vkbs": [{"devid": index} for index in range(len(config.framebuffers))]
        + [vkb_json(len(config.framebuffers) + index, vkb) for index, vkb in enumerate(config.vkbs)],
        "pcidevs": [pci_json(device) for device in config.pci_devices],
        "usbctrls": [_usbctrl(index, controller) for index, controller in enumerate(config.usb_controllers)],
        "usbdevs": [_usbdev(device, on_this_host) for device in config.usb_devices],
        "vtpms": [vtpm_json(index, vtpm) for index, vtpm in enumerate(config.vtpms)],
        "channels": [_channel(channel) for channel in config.channels],
        "p9s": [
            _without_none(
                {
                    "type": p9.kind,
                    "tag": p9.tag,
                    "path": p9.path,
                    "security_model": p9.security_model,
                    "backend_domname": p9.backend_domain,
                    "max_files": p9.max_files,
                    "max_open_files": p9.max_open_files,
                    "max_space": p9.max_space,
                    "auto_delete": p9.auto_delete,
                }
            )
            for p9 in config.p9s
        ],
        "pvcallsifs": [
            {"devid": index, "backend_domname": domain} for index, domain in enumerate(config.pvcalls)
        ],
        "virtios": [
            _without_none(
                {
                    "devid": index,
                    "type": virtio.kind,
                    "transport": virtio.transport,
                    "backend_domname": virtio.backend_domain,
                    "grant_usage": None if virtio.grant_usage is None else str(virtio.grant_usage),
                }
            )
            for index, virtio in enumerate(config.virtios)
        ],
        "vdispls": [vdispl_json(index, display) for index, display in enumerate(config.vdispls)],
        "vsnds": [vsnd_json(index, card) for index, card in enumerate(config.vsnds)],
        "dtdevs": [{"path": path} for path in config.dtdevs],
    }
    lists |= {name: getattr(config, name).value.replace("-", "_") for name in _ACTIONS}
    for name in _ACTIONS:
        lists[name] = {"rename_restart": "restart_rename"}.get(lists[name], lists[name])
    return {name: value for name, value in lists.items() if value}


_ACTIONS = ("on_poweroff", "on_reboot", "on_watchdog", "on_crash", "on_soft_reset")


def _without_none(made: Json) -> Json:
    return {key: value for key, value in made.items() if value is not None}


def _backend(made: Json, domain: str | None) -> None:
    if domain is not None:
        made["backend_domname"] = domain


def _defbool(made: Json, key: str, value: bool | None) -> None:
    if value is not None:
        made[key] = str(value)


def _framebuffer(index: int, vfb: Framebuffer) -> Json:
    return _without_none(
        {"devid": index, "vnc": vnc_json(vfb.vnc), "sdl": sdl_json(vfb.sdl), "keymap": vfb.keymap}
    )


def vnc_json(vnc: Vnc) -> Json:
    """A VNC display."""
    made = _without_none({"listen": vnc.listen, "passwd": vnc.password, "display": vnc.display})
    _defbool(made, "enable", vnc.enable)
    _defbool(made, "findunused", vnc.find_unused)
    return made


def sdl_json(sdl: Sdl) -> Json:
    """An SDL window."""
    made = _without_none({"display": sdl.display, "xauthority": sdl.xauthority})
    _defbool(made, "enable", sdl.enable)
    _defbool(made, "opengl", sdl.opengl)
    return made


def pci_json(device: PciDevice) -> Json:
    """A PCI device of the host."""
    if device.name is not None:
        made: Json = {"name": device.name}
    else:
        made = {"domain": device.domain, "bus": device.bus, "dev": device.device, "func": device.function}
        # All functions at once: a mask of all ones, unsigned (a newer libxl prints -1, which none reads).
        made["vfunc_mask"] = (1 << 32) - 1 if device.all_functions else 1
    options = ("vdevfn", "msitranslate", "power_mgmt", "permissive", "seize", "rdm_policy")
    return made | {name: value for name in options if (value := getattr(device, name)) is not None}


def _usbctrl(index: int, controller: UsbController) -> Json:
    # libxl's own numbers follow the kind: QEMU's USB 2 controller has six ports, the others have eight.
    numbers = _without_none({"version": controller.version, "ports": controller.ports})
    return {"devid": index, "type": controller.kind, **numbers}


def _usbdev(device: UsbDevice, on_this_host: bool) -> Json:
    place = _without_none({"ctrl": device.controller, "port": device.port})
    bus, address = device.hostbus, device.hostaddr
    if device.path is not None and on_this_host:
        bus, address = _usb_address(device.path)
    return place | {"type.hostdev": _without_none({"hostbus": bus, "hostaddr": address})}


def _usb_address(path: str) -> tuple[int, int]:
    """The bus and address of what is plugged into a port of this host (Linux ABI sysfs-bus-usb)."""
    device = Path("/sys/bus/usb/devices", path.replace("/", ""))
    try:
        return int((device / "busnum").read_text()), int((device / "devnum").read_text())
    except (OSError, ValueError):
        raise BadInput(f"there is no USB device in port {path} of this host", hint="see lsusb -t") from None


def _channel(channel: Channel) -> Json:
    made: Json = {"name": channel.name}
    made[f"connection.{channel.connection}"] = (
        {"path": channel.path} if channel.connection == "socket" else {}
    )
    _backend(made, channel.backend_domain)
    return made


def vtpm_json(index: int, vtpm: Vtpm) -> Json:
    """A virtual TPM."""
    return _without_none({"devid": index, "backend_domname": vtpm.backend_domain, "uuid": vtpm.uuid})


def vdispl_json(index: int, display: Vdispl) -> Json:
    """A paravirtualized display."""
    return _without_none(
        {
            "devid": index,
            "backend_domname": display.backend_domain,
            "be_alloc": display.be_alloc or None,
            "connectors": [
                {"unique_id": screen.unique_id, "width": screen.width, "height": screen.height}
                for screen in display.connectors
            ],
        }
    )


def vkb_json(index: int, vkb: Vkb) -> Json:
    """A paravirtualized keyboard and pointer."""
    made: Json = {"devid": index}
    for name in vkb.__struct_fields__:
        if (value := getattr(vkb, name)) is not None:
            made["backend_domname" if name == "backend_domain" else name] = value
    return made


def _sound(params: SoundParams) -> Json:
    made = {
        "sample_rates": list(params.sample_rates) or None,
        "sample_formats": list(params.sample_formats) or None,
        "channels_min": params.channels_min,
        "channels_max": params.channels_max,
        "buffer_size": params.buffer_size,
    }
    return _without_none(made)


def vsnd_json(index: int, card: Vsnd) -> Json:
    """A paravirtualized sound card."""
    made: Json = {"devid": index, "short_name": card.short_name, "long_name": card.long_name}
    made["backend_domname"] = card.backend_domain
    made["params"] = _sound(card.params)
    made["pcms"] = [
        _without_none(
            {
                "name": pcm.name,
                "params": _sound(pcm.params),
                "streams": [
                    {"unique_id": stream.unique_id, "type": stream.kind, "params": _sound(stream.params)}
                    for stream in pcm.streams
                ],
            }
        )
        for pcm in card.pcms
    ]
    return _without_none(made)
