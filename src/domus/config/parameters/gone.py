"""Parameters that mean nothing on today's Xen: accepted, said once, dropped."""

from __future__ import annotations

from typing import Final

from domus.config.parameters.declaration import Parameter
from domus.config.parameters.kinds import Anything


def _gone(name: str, why: str, *, xm: str = "y", xl: str = "", help: str = "") -> Parameter:
    return Parameter(
        name, Anything("VAL", schema={}), help or "No longer has a meaning.", xm=xm, xl=xl, gone=why
    )


GONE: Final = (
    _gone("bootentry", "pygrub chooses by its own arguments: bootargs = '--entry=N'"),
    _gone("cpuid_check", "Xen compares hosts by itself when a guest migrates"),
    _gone("features", "Xen takes the features from the kernel itself"),
    _gone("guest_os_type", "it was for Itanium"),
    _gone("isa", "QEMU's machine without PCI is not supported"),
    _gone("machine_address_size", "Xen's address limits follow the host"),
    _gone("memory_sharing", "memory sharing is experimental in Xen, and has no switch here"),
    _gone("s3_integrity", "tboot's memory check is part of Xen"),
    _gone("superpages", "Xen uses superpages by itself"),
    _gone("suppress_spurious_page_faults", "it was for old Windows and shadow paging"),
    _gone("target", "stub domains are made by libxl itself: device_model_stubdomain_override"),
    _gone("tpmif", "see vtpm", xm="old"),
    _gone("usbport", "use usbdev", xm="old"),
    _gone("ipaddr", "use ip= of vif", xm="old"),
    _gone("vhpt", "it was for Itanium"),
    _gone("vif2", "netchannel2 was removed from Xen; use vif", xl="4.1"),
    _gone("vncviewer", "use the option --vncviewer, or vncconsole = 1", xl="4.2"),
    _gone("vscsi", "PV SCSI is no longer supported by Xen; use disk"),
    _gone("xen_extended_power_mgmt", "the guest's batteries were those of a laptop host", xm="undeclared"),
    _gone("snapshot", "it was never read", xm="old"),
    _gone("actmem", "memory paging was experimental, and is gone", xm="old"),
    _gone("xenpaging_file", "memory paging was experimental, and is gone", xm="old"),
    _gone("xenpaging_extra", "memory paging was experimental, and is gone", xm="old"),
)
