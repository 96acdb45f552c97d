"""Parameters of the emulated machine of an HVM guest."""

from __future__ import annotations

from typing import Final

from domus.config.parameters.declaration import FLAG, Parameter
from domus.config.parameters.kind import Kind
from domus.config.parameters.kinds import Anything, Choice, Text, Texts
from domus.config.parameters.numbers import Whole


def _hvm(
    name: str,
    kind: Kind,
    help: str,
    *,
    xm: str = "",
    xl: str = "",
    field: str = "",
    libxl: str = "",
    default: str = "",
    newer: str = "",
) -> Parameter:
    """A parameter of `hvm`, called there and in libxl as in files unless said otherwise."""
    return Parameter(
        name,
        kind,
        help,
        f"hvm.{field or name}",
        f"b_info/type.hvm/{libxl or name}",
        "hvm",
        xm,
        xl,
        default,
        newer=newer,
    )


HVM: Final = (
    _hvm("boot", Text("a|c|d|n"), "Boot order: floppy, disk, CD, network.", xm="y", xl="4.1",
         default="xm c, xl cda"),
    _hvm("bios", Choice("seabios", "ovmf", removed={"rombios": "remove this line: seabios does its work"}),
         "Firmware.", xl="4.2", default="seabios"),
    _hvm("bios_path_override", Text("FILE"), "Another firmware image.", field="system_firmware",
         libxl="system_firmware", xl="4.8"),
    Parameter("firmware", Text("NAME"),
              "Firmware: bios, uefi, seabios, ovmf, or a path; pvgrub32 or pvgrub64 for PV.", guests="hvm pv",
              xl="4.10"),
    _hvm("firmware_override", Text("FILE"), "Another hvmloader.", field="firmware", libxl="firmware",
         xl="4.2"),
    _hvm("acpi_firmware", Text("FILE"), "File with more ACPI tables.", xl="4.3"),
    _hvm("smbios_firmware", Text("FILE"), "File with SMBIOS structures.", xl="4.3"),
    Parameter("smbios", Anything("['KEY=VALUE', ...]"), "SMBIOS texts.", "hvm.smbios", guests="hvm",
              xl="4.18", newer="4.18"),
    _hvm("acpi_s3", FLAG, "Offer sleep (S3).", xl="4.2", default="1"),
    _hvm("acpi_s4", FLAG, "Offer hibernation (S4).", xl="4.2", default="1"),
    _hvm("acpi_laptop_slate", FLAG, "Show the laptop and slate device.", xl="4.9", default="0"),
    _hvm("pae", FLAG, "Offer PAE.", xm="y", xl="4.1", default="1"),
    _hvm("nx", FLAG, "Offer NX.", xl="4.1", default="1"),
    _hvm("hpet", FLAG, "Show an HPET timer.", xm="y", xl="4.1", default="xm 0, xl 1"),
    _hvm("vpt_align", FLAG, "Align the periodic timers.", xm="y", xl="4.1", default="1"),
    Parameter("viridian", Anything("yes|no|[GROUP, ...]", schema={}),
              "Hyper-V enlightenments: yes, or names of " "groups, !NAME without one.", "hvm.viridian",
              guests="hvm", xm="y", xl="4.1", default="0"),
    _hvm("mmio_hole", Whole(256, 3840, unit="MiB", scale=1024), "Size of the MMIO hole below 4 GiB, in MiB.",
         field="mmio_hole_mib", libxl="mmio_hole_memkb", xl="4.5"),
    Parameter("rdm", Text("strategy=host,policy=P"), "Reserved memory of devices that are passed through.",
              guests="hvm", xl="4.6"),
    _hvm("rdm_mem_boundary", Whole(0, 1 << 20, unit="MiB", scale=1024),
         "Boundary for conflicts of reserved memory, " "in MiB.", field="rdm_mem_boundary_mib",
         libxl="rdm_mem_boundary_memkb", xl="4.6", default="2048"),
    Parameter("mca_caps", Texts(), "More machine check features: lmce.", guests="hvm", xl="4.10"),
    _hvm("hvm_pirq", FLAG, "Interrupts over event channels.", field="pirq", libxl="pirq", xl="4.19",
         newer="4.19"),
    _hvm("altp2mhvm", FLAG, "Alternate views of memory, in the spelling of Xen 4.6.", field="altp2m",
         libxl="altp2m", xl="4.6"),
    Parameter("ms_vm_genid", Choice("generate", "none"), "Generation id of the machine.", guests="hvm",
              xl="4.5"),
    _hvm("vendor_device", Choice("none", "xenserver"), "PCI device for Windows drivers.", xl="4.4",
         default="none"),
    _hvm("hdtype", Choice("ide", "ahci"), "Emulated disk controller.", xl="4.6", default="ide"),
    _hvm("xen_platform_pci", FLAG, "Show the Xen platform device.", xm="y", xl="4.1", default="1"),
    _hvm("xen_platform_pci_bar_uc", FLAG, "Its memory is not cached.", xl="4.21", newer="4.21"),
    _hvm("vkb_device", FLAG, "A paravirtualized keyboard beside the emulated one.", xl="4.13", default="1"),
    _hvm("usb", FLAG, "An emulated USB bus.", xm="y", xl="4.1", default="0"),
    _hvm("usbversion", Whole(1, 3), "Version of the emulated USB controller.", xl="4.4"),
    Parameter("usbdevice", Texts(), "Emulated USB devices, such as tablet.", "hvm.usbdevices", guests="hvm",
              xm="y", xl="4.1"),
    _hvm("soundhw", Text("CARD"), "Emulated sound card.", xm="y", xl="4.1"),
    Parameter("serial", Texts(hint="FILE|pty"), "Serial ports, as QEMU's character devices.", "hvm.serial",
              guests="hvm", xm="y", xl="4.1"),
    Parameter("parallel", Text("FILE"), "Parallel port, as one of QEMU's character devices.", guests="hvm",
              xm="y"),
    Parameter("monitor", FLAG, "QEMU's monitor.", guests="hvm", xm="y", default="0"),
    Parameter("monitor_path", Text("FILE"), "Where QEMU's monitor is.", guests="hvm", xm="y"),
    Parameter("fda", Text("FILE"), "Floppy disk a.", guests="hvm", xm="y"),
    Parameter("fdb", Text("FILE"), "Floppy disk b.", guests="hvm", xm="y"),
    Parameter("cdrom", Text("FILE"), "CD image, in the spelling of Xen 3.0.2.", guests="hvm", xm="old",
              instead="disk"),
    Parameter("audio", FLAG, "Sound, in the spelling of Xen 3.0.2.", guests="hvm", xm="old",
              instead="soundhw"),
    Parameter("ne2000", FLAG, "An NE2000 card, in the spelling of Xen 3.0.2.", guests="hvm", xm="old",
              instead="model= of vif"),
)  # fmt: skip
