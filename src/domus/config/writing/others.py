"""Everything else as the specifications of configuration files: USB, channels, shares, sound, resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domus.config.writing.pairs import joined
from domus.model.config import SoundParams, Vkb, Vsnd

if TYPE_CHECKING:
    from domus.config.writing.variables import Variables


def put_others(made: Variables) -> None:
    """Every list that `domus.config.reading.others`, `usb`, `sound` and `cpuid` read."""
    config = made.config
    _usb(made)
    made.put("vtpm", [joined((("backend", v.backend_domain), ("uuid", v.uuid))) for v in config.vtpms])
    made.put(
        "channel",
        [
            joined(
                (
                    ("name", c.name),
                    ("connection", c.connection),
                    ("path", c.path),
                    ("backend", c.backend_domain),
                )
            )
            for c in config.channels
        ],
    )
    made.put(
        "p9",
        [
            joined(
                (
                    ("tag", p.tag),
                    ("path", p.path),
                    ("security_model", p.security_model),
                    ("type", p.kind),
                    ("backend", p.backend_domain),
                    ("max-files", p.max_files),
                    ("max-open-files", p.max_open_files),
                    ("max-space", p.max_space),
                    ("auto-delete", p.auto_delete),
                )
            )
            for p in config.p9s
        ],
    )
    made.put("pvcalls", [f"backend={domain}" for domain in config.pvcalls])
    made.put(
        "virtio",
        [
            joined(
                (
                    ("type", v.kind),
                    ("transport", v.transport),
                    ("backend", v.backend_domain),
                    ("grant_usage", v.grant_usage),
                )
            )
            for v in config.virtios
        ],
    )
    made.put(
        "vdispl",
        [
            joined(
                (
                    ("backend", v.backend_domain),
                    ("be-alloc", v.be_alloc or None),
                    ("connectors", ";".join(f"{c.unique_id}:{c.width}x{c.height}" for c in v.connectors)),
                )
            )
            for v in config.vdispls
        ],
    )
    made.put("vkb", [_vkb(vkb) for vkb in config.vkbs])
    made.put("vsnd", [_vsnd(card) for card in config.vsnds])
    made.put("dtdev", list(config.dtdevs))
    made.put("ioports", [f"{ports.first:x}-{ports.first + ports.number - 1:x}" for ports in config.ioports])
    made.put("irqs", [str(number) for number in config.irqs])
    made.put(
        "iomem",
        [
            f"{pages.start:x},{pages.number:x}" + ("" if pages.gfn is None else f"@{pages.gfn:x}")
            for pages in config.iomem
        ],
    )
    _cpuid(made)


def _usb(made: Variables) -> None:
    config = made.config
    if any(device.path is not None for device in config.usb_devices):
        if made.dialect == "xl":
            made.lose("usb devices by the host's port: xl knows bus and address only")
        texts = []
        for index, controller in enumerate(config.usb_controllers):
            ports = {
                d.port: d.path for d in config.usb_devices if d.controller == index and d.path is not None
            }
            text = joined((("usbver", controller.version), ("numports", controller.ports)))
            texts.append(text + "".join(f",port_{port}={path}" for port, path in ports.items()))
        made.put("vusb", texts)
        return
    made.put(
        "usbctrl",
        [
            joined((("type", c.kind), ("version", c.version), ("ports", c.ports)))
            for c in config.usb_controllers
        ],
    )
    made.put(
        "usbdev",
        [
            joined(
                (
                    ("type", "hostdev"),
                    ("hostbus", d.hostbus),
                    ("hostaddr", d.hostaddr),
                    ("controller", d.controller),
                    ("port", d.port),
                )
            )
            for d in config.usb_devices
        ],
    )


def _vkb(vkb: Vkb) -> str:
    names = ((name, getattr(vkb, name)) for name in vkb.__struct_fields__)
    return joined(
        ("backend" if name == "backend_domain" else name.replace("_", "-"), value) for name, value in names
    )


def _sound(params: SoundParams) -> str:
    text = joined(
        (
            ("sample-rates", ";".join(map(str, params.sample_rates))),
            ("sample-formats", ";".join(params.sample_formats)),
            ("channels-min", params.channels_min),
            ("channels-max", params.channels_max),
            ("buffer-size", params.buffer_size),
        )
    )
    return f",{text}" if text else ""


def _vsnd(card: Vsnd) -> list[str]:
    names = joined(
        (("backend", card.backend_domain), ("short-name", card.short_name), ("long-name", card.long_name))
    )
    parts = ["CARD" + (f",{names}" if names else "") + _sound(card.params)]
    for pcm in card.pcms:
        parts.append("PCM" + ("" if pcm.name is None else f",name={pcm.name}") + _sound(pcm.params))
        for stream in pcm.streams:
            parts.append(f"STREAM,unique-id={stream.unique_id},type={stream.kind}" + _sound(stream.params))
    return parts


def _cpuid(made: Variables) -> None:
    config = made.config
    texts = []
    for leaf in config.cpuid:
        number = f"0x{leaf.leaf:x}" + ("" if leaf.subleaf is None else f",{leaf.subleaf}")
        registers = joined((name, getattr(leaf, name)) for name in ("eax", "ebx", "ecx", "edx"))
        texts.append(f"{number}:{registers}")
    made.put("cpuid", texts)
