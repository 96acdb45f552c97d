"""What else an HVM guest's machine has: enlightenments, SMBIOS, generation id, old QEMU options."""

from __future__ import annotations

import os
from typing import Final

from domus.config.parameters.kind import Invalid, shown
from domus.config.parameters.numbers import Flag
from domus.config.reading.reading import Reading
from domus.config.suggestions import did_you_mean

#: bit numbers of libxl_viridian_enlightenment
VIRIDIAN: Final = (
    "base", "freq", "time_ref_count", "reference_tsc", "hcall_remote_tlb_flush", "apic_assist", "crash_ctl",
    "synic", "stimer", "hcall_ipi", "ex_processor_masks", "no_vp_limit", "cpu_hotplug",
)  # fmt: skip
SMBIOS: Final = [
    "bios_vendor",
    "bios_version",
    "system_manufacturer",
    "system_product_name",
    "system_version",
    "system_serial_number",
    "baseboard_manufacturer",
    "baseboard_product_name",
    "baseboard_version",
    "baseboard_serial_number",
    "baseboard_asset_tag",
    "baseboard_location_in_chassis",
    "enclosure_manufacturer",
    "enclosure_serial_number",
    "enclosure_asset_tag",
    "battery_manufacturer",
    "battery_device_name",
    "oem",
]


def emulated(reading: Reading) -> None:
    """Compose the fields of `hvm` that several parameters make."""
    if not reading.is_hvm:
        return
    if reading.is_xm:
        reading.default("hvm.boot", "c")
        reading.default("hvm.hpet", False)
    _boot(reading)
    _viridian(reading)
    _smbios(reading)
    _old_qemu_options(reading)
    _graphics_card(reading)
    _reserved_memory(reading)
    if reading.value("ms_vm_genid") == "generate":
        reading.fields["hvm.ms_vm_genid"] = tuple(os.urandom(16))
    for cap in reading.value("mca_caps") or ():
        if cap == "lmce":
            reading.fields["hvm.mca_lmce"] = True
        else:
            reading.error("mca_caps", f"unknown {cap[:40]!r}", "lmce is the only one")
    if reading.value("usbversion") and (reading.value("usb") or reading.value("usbdevice")):
        reading.error("usbversion", "does not go with usb and usbdevice", "use usbctrl and usbdev")
    _spice(reading)
    if reading.value("lapic") is not None:
        reading.default("apic", reading.value("lapic"))
    if reading.value("audio"):
        reading.default("hvm.soundhw", "sb16")


def _boot(reading: Reading) -> None:
    order = reading.fields.get("hvm.boot") or ""
    if set(order) - set("acdn"):
        reading.error(
            "boot", f"{order[:20]!r} has other letters than a (floppy), c (disk), d (CD), n (network)"
        )


def _viridian(reading: Reading) -> None:
    value = reading.value("viridian")
    reading.fields.pop("hvm.viridian", None)
    if value is None:
        return
    if not isinstance(value, list | tuple):
        try:
            reading.fields["hvm.viridian"] = Flag().read(value)
        except Invalid as problem:
            reading.error("viridian", problem.what, problem.hint)
        return
    enabled: set[int] = set()
    disabled: set[int] = set()
    for item in value:
        word = str(item).strip().lower()
        name = word.removeprefix("!")
        if name == "defaults":
            reading.fields["hvm.viridian"] = True
            continue
        if name != "all" and name not in VIRIDIAN:
            reading.error(
                "viridian", f"unknown group {shown(item)}", did_you_mean(name, (*VIRIDIAN, "defaults", "all"))
            )
            return
        bits = set(range(64)) if name == "all" else {VIRIDIAN.index(name)}
        chosen, other = (disabled, enabled) if word.startswith("!") else (enabled, disabled)
        chosen |= bits
        other -= bits
    reading.fields["hvm.viridian_enable"] = tuple(sorted(enabled))
    reading.fields["hvm.viridian_disable"] = tuple(sorted(disabled))


def _smbios(reading: Reading) -> None:
    reading.fields.pop("hvm.smbios", None)
    found: list[tuple[str, str]] = []
    for spec in reading.specs("smbios"):
        key, sign, text = spec.text.partition("=")
        key = key.strip().lower()
        if not sign or key not in SMBIOS:
            spec.error(f"unknown key {key[:40]!r}", did_you_mean(key, SMBIOS), near=key)
            continue
        if key != "oem" and any(key == other for other, _ in found):
            spec.error(f"{key} is given twice", near=key)
        found.append((key, text))
    if sum(key == "oem" for key, _ in found) > 99:
        reading.error("smbios", "there can be 99 oem texts at the most")
    if found:
        reading.fields["hvm.smbios"] = tuple(found)


def _spice(reading: Reading) -> None:
    """What libxl refuses when it starts QEMU."""
    if not reading.value("spice"):
        return
    if not reading.value("spiceport") and not reading.value("spicetls_port"):
        reading.error("spice", "needs a port", "add spiceport = 6000, or spicetls_port")
    if not reading.value("spicedisable_ticketing") and not reading.value("spicepasswd"):
        reading.error("spice", "needs a password", "add spicepasswd = '...', or spicedisable_ticketing = 1")


def _old_qemu_options(reading: Reading) -> None:
    """Parameters of xm that libxl has no field for, as arguments of QEMU."""
    added: list[str] = []
    for name in ("fda", "fdb", "parallel"):
        text = reading.value(name)
        if text and text != "none":
            added += [f"-{name}", text]
    if reading.value("monitor_path"):
        added += ["-monitor", reading.value("monitor_path")]
    elif reading.value("monitor"):
        added += ["-monitor", "vc"]
    if added:
        before = reading.fields.get("device_model.args_hvm", ())
        reading.fields["device_model.args_hvm"] = (*before, *added)


def _graphics_card(reading: Reading) -> None:
    text = reading.value("gfx_passthru")
    if text is None:
        return
    if text.lower() in ("default", "igd"):
        reading.fields["hvm.gfx_passthru"] = True
        reading.fields["hvm.gfx_passthru_kind"] = text.lower()
        return
    try:
        reading.fields["hvm.gfx_passthru"] = Flag().read(text)
    except Invalid:
        reading.error("gfx_passthru", f"expected 0, 1, default or igd, not {shown(text)}")


def _reserved_memory(reading: Reading) -> None:
    text = reading.value("rdm")
    if not text:
        return
    allowed = {"strategy": ("ignore", "host"), "policy": ("strict", "relaxed")}
    for part in text.split(","):
        key, _, word = (piece.strip() for piece in part.partition("="))
        if word not in allowed.get(key, ()):
            reading.error("rdm", f"{part[:40]!r} is not understood", "strategy=host,policy=strict or relaxed")
            return
        reading.fields[f"hvm.rdm_{key}"] = word
