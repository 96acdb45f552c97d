"""The machine of a guest beside its devices: what is emulated, scheduled, shown and masked."""

from __future__ import annotations

import msgspec


class Vnc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A display served by VNC."""

    enable: bool | None = None
    listen: str | None = None  #: an address, or ADDRESS:DISPLAY; None: 127.0.0.1
    password: str | None = None  #: "" is no authentication at all
    display: int | None = None  #: its port is 5900 more; None: the domain's id
    find_unused: bool | None = None  #: take the next free display if `display` is taken


class Sdl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A display in a window of the host's X server."""

    enable: bool | None = None
    opengl: bool | None = None
    display: str | None = None  #: the X display, such as ":0"
    xauthority: str | None = None  #: path of the X cookie file


class Spice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A display served by SPICE; HVM only."""

    enable: bool | None = None
    port: int | None = None
    tls_port: int | None = None
    host: str | None = None
    disable_ticketing: bool | None = None
    password: str | None = None
    agent_mouse: bool | None = None
    vdagent: bool | None = None
    clipboard_sharing: bool | None = None
    usbredirection: int | None = None  #: number of channels, up to 4
    image_compression: str | None = None
    streaming_video: str | None = None


class Hvm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What only an emulated machine has (libxl's type.hvm)."""

    firmware: str | None = None  #: path of another hvmloader
    system_firmware: str | None = None  #: path of the BIOS or UEFI image
    smbios_firmware: str | None = None
    acpi_firmware: str | None = None
    bios: str | None = None  #: "seabios", "ovmf" or "rombios"
    boot: str | None = None  #: order of a (floppy), c (disk), d (CD), n (network)
    pae: bool | None = None
    acpi_s3: bool | None = None
    acpi_s4: bool | None = None
    acpi_laptop_slate: bool | None = None
    nx: bool | None = None
    hpet: bool | None = None
    vpt_align: bool | None = None
    viridian: bool | None = None  #: the default set of Hyper-V enlightenments
    viridian_enable: tuple[int, ...] = ()  #: numbers of further groups, ascending
    viridian_disable: tuple[int, ...] = ()
    mmio_hole_mib: int | None = None
    rdm_strategy: str | None = None
    rdm_policy: str | None = None
    rdm_mem_boundary_mib: int | None = None
    mca_lmce: bool | None = None
    pirq: bool | None = None
    altp2m: bool | None = None  #: the old switch; `DomainConfig.altp2m` replaced it
    vga: str | None = None  #: "none", "stdvga", "cirrus" or "qxl"
    vnc: Vnc = Vnc()
    sdl: Sdl = Sdl()
    spice: Spice = Spice()
    nographic: bool | None = None
    keymap: str | None = None
    gfx_passthru: bool | None = None
    gfx_passthru_kind: str | None = None
    serial: tuple[str, ...] = ()  #: QEMU character devices
    usb: bool | None = None
    usbversion: int | None = None
    usbdevices: tuple[str, ...] = ()
    soundhw: str | None = None
    hdtype: str | None = None
    vkb_device: bool | None = None
    xen_platform_pci: bool | None = None
    xen_platform_pci_bar_uc: bool | None = None
    ms_vm_genid: tuple[int, ...] = ()  #: 16 bytes
    vendor_device: str | None = None
    smbios: tuple[tuple[str, str], ...] = ()


class Pvh(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What only a PVH guest has (libxl's type.pvh)."""

    pvshim: bool | None = None
    pvshim_path: str | None = None
    pvshim_cmdline: str | None = None
    pvshim_extra: str | None = None


class Scheduling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of the CPU scheduler; which of them count depends on the scheduler."""

    weight: int | None = None  #: 1..65535, 256 is usual
    cap: int | None = None  #: percent of one CPU; 0 is no limit
    period: int | None = None
    budget: int | None = None
    extratime: int | None = None
    slice: int | None = None
    latency: int | None = None


class DeviceModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The QEMU beside the guest."""

    version: str | None = None
    path: str | None = None
    user: str | None = None
    restrict: bool | None = None
    args: tuple[str, ...] = ()
    args_hvm: tuple[str, ...] = ()
    args_pv: tuple[str, ...] = ()
    stubdomain: bool | None = None
    stubdomain_label: str | None = None
    stubdomain_kernel: str | None = None
    stubdomain_cmdline: str | None = None
    stubdomain_ramdisk: str | None = None
    stubdomain_memory_mib: int | None = None


class Arm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What only Arm has."""

    gic_version: str | None = None
    vuart: str | None = None
    sve_vl: str | None = None
    nr_spis: int | None = None
    sci: str | None = None


class VnumaNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A NUMA node that the guest sees."""

    memory_mib: int
    vcpus: tuple[int, ...] = ()
    pnode: int = 0  #: the host's node behind it
    distances: tuple[int, ...] = ()


class CpuidLeaf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Bits of a CPUID leaf: 32 of `1 0 x k s` per register, bit 31 first."""

    leaf: int
    subleaf: int | None = None
    eax: str | None = None
    ebx: str | None = None
    ecx: str | None = None
    edx: str | None = None


class MsrPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Bits of a model-specific register: 64 of `1 0 x k s`, bit 63 first."""

    index: int
    policy: str
