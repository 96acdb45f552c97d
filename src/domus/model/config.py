"""What a domain shall be: the one typed model between all configuration languages and libxl.

Languages are read into it by `domus.config`, the daemon keeps it, and `domus.config.compile` turns it
into libxl's JSON. Sizes have their unit in the name. Absent values are None and mean "as the host or
libxl decides".
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from domus.model.devices import (
    P9,
    Channel,
    Connector,
    Framebuffer,
    IoMemory,
    IoRange,
    PciDevice,
    SoundParams,
    SoundPcm,
    SoundStream,
    UsbController,
    UsbDevice,
    Vdispl,
    Virtio,
    Vkb,
    Vsnd,
    Vtpm,
)
from domus.model.domain import GuestType
from domus.model.machine import (
    Arm,
    CpuidLeaf,
    DeviceModel,
    Hvm,
    MsrPolicy,
    Pvh,
    Scheduling,
    Sdl,
    Spice,
    Vnc,
    VnumaNode,
)

__all__ = [
    "P9",
    "Action",
    "Arm",
    "Channel",
    "Connector",
    "CpuidLeaf",
    "DeviceModel",
    "Disk",
    "DiskFormat",
    "DomainConfig",
    "Framebuffer",
    "GuestType",
    "Hvm",
    "IoMemory",
    "IoRange",
    "MsrPolicy",
    "Nic",
    "NicKind",
    "PciDevice",
    "Pvh",
    "Scheduling",
    "Sdl",
    "SoundParams",
    "SoundPcm",
    "SoundStream",
    "Spice",
    "UsbController",
    "UsbDevice",
    "Vdispl",
    "Virtio",
    "Vkb",
    "Vnc",
    "VnumaNode",
    "Vsnd",
    "Vtpm",
]


class Action(StrEnum):
    """What happens when a domain ends (libxl_action_on_shutdown; spelled as in configuration files)."""

    DESTROY = "destroy"
    RESTART = "restart"
    RENAME_RESTART = "rename-restart"
    PRESERVE = "preserve"
    COREDUMP_DESTROY = "coredump-destroy"
    COREDUMP_RESTART = "coredump-restart"
    SOFT_RESET = "soft-reset"


class DiskFormat(StrEnum):
    """How the bytes of a disk's target are to be read (libxl_disk_format)."""

    RAW = "raw"
    QCOW = "qcow"
    QCOW2 = "qcow2"
    VHD = "vhd"
    QED = "qed"
    EMPTY = "empty"  #: a CD drive without a medium


class Disk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One disk of a domain, as its configuration asks for it."""

    vdev: str  #: its name in the guest, such as "xvda"
    #: image or block device on the host: an absolute path, or "lun:SERIAL" for the host's disk of that
    #: serial number, or "image:NAME" for an image of a store, which xm looks up; None is an empty CD drive
    target: str | None = None
    format: DiskFormat = DiskFormat.RAW
    writable: bool = True  #: False: the backend opens the target read-only
    shared: bool = False  #: True ("w!"): others may write the same target, the user answers for it
    cdrom: bool = False
    backend: str | None = None  #: "phy", "qdisk" or "tap"; None: the one that fits the target
    backend_domain: str | None = None  #: name or id of the driver domain that serves it; None: dom0
    script: str | None = None  #: the user's own hotplug script instead of xend's plugging
    discard: bool | None = None  #: pass the guest's discards on; None: if it is writable
    direct_io_safe: bool = False
    trusted: bool | None = None
    specification: str | None = None  #: "xen" or "virtio"; None: xen
    grant_usage: bool | None = None  #: virtio only: the backend maps grants


class NicKind(StrEnum):
    """What the guest sees of a card (libxl_nic_type)."""

    VIF = "vif"  #: paravirtualized only
    IOEMU = "vif_ioemu"  #: emulated by QEMU, with a paravirtualized one beside it; HVM only


class Nic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One network card of a domain, as its configuration asks for it."""

    devid: int | None = None  #: its number; None: its place in the list
    mac: str | None = None  #: six pairs, lower case, colons; None: xend chooses one and keeps it
    bridge: str | None = None  #: the bridge its backend is plugged into; None: the host's default
    network: str | None = None  #: a named network of this host instead of a bridge
    ips: tuple[str, ...] = ()  #: addresses the guest will use, with or without /length
    vifname: str | None = None  #: name of the backend's device in dom0, up to 15 characters
    kind: NicKind | None = None  #: None: as the guest's type has it
    model: str | None = None  #: the emulated card, such as "e1000"
    mtu: int | None = None
    rate_bytes: int | None = None  #: bytes that may be sent per `rate_interval_us`
    rate_interval_us: int | None = None  #: microseconds
    #: "vif-bridge", "vif-route" or "vif-nat", whose work xend does, or the user's own; None: vif-bridge
    script: str | None = None
    gateway_device: str | None = (
        None  #: of routed cards: towards the outside; None: where the default route goes
    )
    vlan: str | None = None
    backend_domain: str | None = None
    trusted: bool | None = None
    antispoof: bool | None = None  #: False: it may send from any address, as a router or a bridge has to
    isolated: bool | None = None  #: True: it does not reach other isolated cards of its bridge


class DomainConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything a domain shall be."""

    name: str
    uuid: str | None = None  #: None: xend chooses one
    guest_type: GuestType = GuestType.PV
    description: str = ""

    #: an absolute path on the host, or "sha256:HEX", a blob handed over before (PUT /v1/blobs/HEX)
    kernel: str | None = None
    ramdisk: str | None = None  #: as `kernel`
    cmdline: str = ""  #: the kernel's whole command line
    bootloader: str | None = None
    bootloader_args: tuple[str, ...] = ()

    memory_mib: int = 128  #: MiB at the start
    maxmem_mib: int | None = None  #: MiB at the most; None: as `memory_mib`
    vcpus: int = 1  #: VCPUs online at the start
    maxvcpus: int | None = None  #: None: as `vcpus`

    on_poweroff: Action = Action.DESTROY
    on_reboot: Action = Action.RESTART
    on_crash: Action = Action.DESTROY
    on_watchdog: Action = Action.DESTROY
    on_soft_reset: Action = Action.SOFT_RESET

    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    framebuffers: tuple[Framebuffer, ...] = ()
    pci_devices: tuple[PciDevice, ...] = ()
    usb_controllers: tuple[UsbController, ...] = ()
    usb_devices: tuple[UsbDevice, ...] = ()
    vtpms: tuple[Vtpm, ...] = ()
    channels: tuple[Channel, ...] = ()
    p9s: tuple[P9, ...] = ()
    pvcalls: tuple[str, ...] = ()  #: backend domains
    virtios: tuple[Virtio, ...] = ()
    vdispls: tuple[Vdispl, ...] = ()
    vkbs: tuple[Vkb, ...] = ()  #: besides those of `framebuffers`
    vsnds: tuple[Vsnd, ...] = ()
    dtdevs: tuple[str, ...] = ()  #: device tree paths
    ioports: tuple[IoRange, ...] = ()
    irqs: tuple[int, ...] = ()
    iomem: tuple[IoMemory, ...] = ()

    hvm: Hvm | None = None  #: for HVM guests only
    pvh: Pvh | None = None  #: for PVH guests only
    e820_host: bool | None = None  #: PV: the host's memory map
    device_model: DeviceModel | None = None
    arm: Arm | None = None
    scheduling: Scheduling | None = None

    cpus: tuple[tuple[int, ...] | None, ...] = ()  #: hard affinity of each VCPU, ascending; None: any CPU
    #: CPU lists that depend on the host ("node:1,^3"), one for all VCPUs or one for each; xend resolves them
    cpus_expressions: tuple[str, ...] = ()
    cpus_soft: tuple[tuple[int, ...] | None, ...] = ()
    cpus_soft_expressions: tuple[str, ...] = ()
    vnuma: tuple[VnumaNode, ...] = ()
    numa_placement: bool | None = None
    avail_vcpus: tuple[int, ...] = ()  #: VCPUs online at the start; (): the first `vcpus`
    cpuid: tuple[CpuidLeaf, ...] = ()
    msr: tuple[MsrPolicy, ...] = ()
    cpupool: str | None = None

    video_mib: int | None = None
    shadow_mib: int | None = None
    acpi: bool | None = None
    apic: bool | None = None
    hap: bool | None = None
    oos: bool | None = None
    nested_hvm: bool | None = None
    timer_mode: str | None = None
    tsc_mode: str | None = None
    localtime: bool | None = None
    rtc_timeoffset: int | None = None  #: seconds, may be negative
    disable_migrate: bool | None = None
    driver_domain: bool | None = None
    xend_suspend_evtchn_compat: bool | None = None
    passthrough: str | None = None
    security_label: str | None = None  #: XSM label once it is built
    init_security_label: str | None = None  #: XSM label while it is being built
    ssidref: int | None = None
    event_channels: int | None = None
    max_grant_frames: int | None = None
    max_grant_version: int | None = None
    max_maptrack_frames: int | None = None
    altp2m: str | None = None
    altp2m_count: int | None = None
    msr_relaxed: bool | None = None
    vmtrace_buf_kib: int | None = None
    vpmu: bool | None = None
    tee: str | None = None
    trap_unmapped_accesses: bool | None = None
    llc_colors: tuple[int, ...] = ()
    device_tree: str | None = None
    xenstore_feature_mask: int | None = None
    xenstore_quota: tuple[tuple[str, int], ...] = ()
    bootloader_user: str | None = None
    bootloader_restrict: bool | None = None

    firewall: tuple[str, ...] = ()  #: rules of what passes its cards (`domus.model.firewall`)
    autostart: bool = False  #: start it when the host starts (on_xend_start)
    start_order: int = 0  #: of those that start with the host, those of a lower number begin first
    start_delay_s: float = 0.0  #: seconds that its predecessors are given before it begins
    start_after: tuple[str, ...] = ()  #: names of domains that must be started before it
    on_xend_stop: str = "ignore"  #: "ignore", "shutdown", "suspend" or "destroy" it when the host stops
    show_vnc: bool = False  #: `xm create` opens a viewer (vncconsole)
