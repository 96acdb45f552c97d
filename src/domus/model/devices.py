"""Devices of a domain beside its disks and network cards."""

from __future__ import annotations

import msgspec

from domus.model.machine import Sdl, Vnc


class Framebuffer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A paravirtualized framebuffer (vfb), with the keyboard and pointer (vkb) that go with it."""

    vnc: Vnc = Vnc()
    sdl: Sdl = Sdl()
    keymap: str | None = None


class PciDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A PCI device of the host that the guest shall own."""

    domain: int = 0
    bus: int = 0
    device: int = 0
    function: int = 0
    all_functions: bool = False  #: "*" instead of a function
    vdevfn: int | None = None  #: slot in the guest times 8, plus function; None: Xen chooses
    name: str | None = None  #: an assignable device's name instead of its address
    msitranslate: bool | None = None
    power_mgmt: bool | None = None
    permissive: bool | None = None
    seize: bool | None = None
    rdm_policy: str | None = None


class UsbController(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A USB controller of the guest."""

    kind: str = "auto"  #: "auto", "pv", "qusb" or "devicemodel"
    version: int | None = None  #: 1, 2 or 3; None: what libxl gives to that kind
    ports: int | None = None


class UsbDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A USB device of the host that the guest shall own."""

    hostbus: int | None = None
    hostaddr: int | None = None
    path: str | None = None  #: instead of both: its port as in /sys/bus/usb/devices, such as "1-1.2"
    controller: int | None = None
    port: int | None = None


class IoRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Legacy I/O ports that the guest may use."""

    first: int
    number: int


class IoMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Machine pages that the guest may map."""

    start: int
    number: int
    gfn: int | None = None  #: where the guest sees them; None: at `start`


class Vtpm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A virtual TPM, served by another domain."""

    backend_domain: str
    uuid: str | None = None


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A named stream of bytes between guest and host."""

    name: str
    connection: str  #: "pty" or "socket"
    path: str | None = None
    backend_domain: str | None = None


class P9(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A directory of the host, shared by 9pfs."""

    kind: str | None = None
    tag: str | None = None
    path: str | None = None
    security_model: str | None = None
    backend_domain: str | None = None
    max_files: int | None = None
    max_open_files: int | None = None
    max_space: int | None = None
    auto_delete: bool | None = None


class Virtio(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A virtio device served by another domain; Arm."""

    kind: str
    transport: str | None = None
    backend_domain: str | None = None
    grant_usage: bool | None = None


class Connector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A screen of a paravirtualized display."""

    unique_id: str
    width: int
    height: int


class Vdispl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A paravirtualized display."""

    backend_domain: str | None = None
    be_alloc: bool = False
    connectors: tuple[Connector, ...] = ()


class Vkb(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A paravirtualized keyboard and pointer."""

    backend_type: str
    unique_id: str | None = None
    backend_domain: str | None = None
    width: int | None = None
    height: int | None = None
    feature_disable_keyboard: bool | None = None
    feature_disable_pointer: bool | None = None
    feature_abs_pointer: bool | None = None
    feature_raw_pointer: bool | None = None
    feature_multi_touch: bool | None = None
    multi_touch_width: int | None = None
    multi_touch_height: int | None = None
    multi_touch_num_contacts: int | None = None


class SoundParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a sound card, a device of it or a stream can do."""

    sample_rates: tuple[int, ...] = ()
    sample_formats: tuple[str, ...] = ()
    channels_min: int | None = None
    channels_max: int | None = None
    buffer_size: int | None = None


class SoundStream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A stream of a sound device: "p" plays, "c" captures."""

    unique_id: str
    kind: str
    params: SoundParams = SoundParams()


class SoundPcm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A device of a sound card."""

    name: str | None = None
    params: SoundParams = SoundParams()
    streams: tuple[SoundStream, ...] = ()


class Vsnd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A paravirtualized sound card."""

    backend_domain: str | None = None
    short_name: str | None = None
    long_name: str | None = None
    params: SoundParams = SoundParams()
    pcms: tuple[SoundPcm, ...] = ()
