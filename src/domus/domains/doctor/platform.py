"""Checks of what lies below xend: the CPU, the hypervisor's options, dom0's kernel, Xen's daemons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from domus.domains.doctor.facts import Facts
from domus.model.doctor import Finding, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_CMDLINE: Final = "GRUB_CMDLINE_XEN in /etc/default/grub, then update-grub and reboot"

#: options that make every guest able to read others' memory, or the host unusable, and why
_BAD_OPTIONS: Final = {
    "spec-ctrl=no": (
        _ERROR,
        "mitigations of speculative attacks are off: guests can read each other's memory",
    ),
    "spec-ctrl=off": (
        _ERROR,
        "mitigations of speculative attacks are off: guests can read each other's memory",
    ),
    "xpti=no": (_WARNING, "page-table isolation is off: PV guests can read memory on CPUs with Meltdown"),
    "xpti=off": (_WARNING, "page-table isolation is off: PV guests can read memory on CPUs with Meltdown"),
    "smep=no": (_WARNING, "SMEP is off"),
    "smap=no": (_WARNING, "SMAP is off"),
    "iommu=no": (_WARNING, "the IOMMU is off: a guest with a PCI device can reach all memory"),
    "iommu=off": (_WARNING, "the IOMMU is off: a guest with a PCI device can reach all memory"),
    "sync_console": (_WARNING, "each message to the serial console stops the whole host"),
    "tmem": (_NOTE, "Xen has no tmem any more, and ignores this"),
    "sched=sedf": (_WARNING, "Xen has no such scheduler any more"),
    "sched=bvt": (_WARNING, "Xen has no such scheduler any more"),
}

#: what a file in dom0 shows to be there, the module that brings it, what is missing without it
_NEEDED: Final = (
    ("/dev/xen/privcmd", "xen-privcmd", _ERROR, "no toolstack can reach the hypervisor"),
    ("/dev/xen/evtchn", "xen-evtchn", _ERROR, "XenStore and consoles do not work"),
    ("/dev/xen/gntdev", "xen-gntdev", _ERROR, "consoles and qcow2 disks do not work"),
    ("/proc/xen/capabilities", "xenfs", _WARNING, "libvirt and others take this for no domain 0"),
    ("/sys/bus/xen-backend/drivers/vbd", "xen-blkback", _ERROR, "guests have no disks"),
    ("/sys/bus/xen-backend/drivers/vif", "xen-netback", _ERROR, "guests have no network cards"),
    ("/dev/loop-control", "loop", _ERROR, "disk images in files cannot be used"),
    ("/sys/module/bridge", "bridge", _WARNING, "there are no bridges for guests' cards"),
    ("/dev/net/tun", "tun", _NOTE, "HVM guests have no emulated network cards"),
)

_DOM0_CPUS_MATTER: Final = 16  #: from so many on dom0's VCPUs compete with the guests'


def cpu(facts: Facts) -> Iterator[Finding]:
    """What the hardware lets guests be."""
    caps = set(facts.virt_caps.split())

    def found(severity: Severity, what: str, mend: str = "") -> Finding:
        return Finding(check="cpu", severity=severity, what=what, mend=mend)

    if "hvm" not in caps:
        yield found(
            _WARNING,
            "no hardware virtualization: HVM and PVH guests cannot run, only PV",
            "switch VT-x or AMD-V on in the firmware (in a virtual machine: nested virtualization)",
        )
    elif "hap" not in caps:
        yield found(
            _WARNING,
            "no nested paging (EPT or NPT): HVM and PVH guests run on slow shadow page tables",
            "look for it in the firmware, and for hap=0 in Xen's command line",
        )
    if "pv" not in caps:
        yield found(_NOTE, "this Xen was built without PV guests", "use type='pvh' in configurations")
    if not any(cap.endswith("_directio") for cap in caps):
        yield found(
            _NOTE,
            "no IOMMU: PCI devices cannot be given to guests safely",
            "switch VT-d or AMD-Vi on in the firmware",
        )


def hypervisor(facts: Facts) -> Iterator[Finding]:
    """The command line that Xen was started with."""
    words = str(facts.version.get("commandline") or "").split()

    def found(severity: Severity, what: str, mend: str = _CMDLINE) -> Finding:
        return Finding(check="hypervisor", severity=severity, what=what, mend=mend)

    for word in words:
        if word in _BAD_OPTIONS:
            severity, why = _BAD_OPTIONS[word]
            yield found(severity, f"Xen runs with '{word}': {why}", f"take it out of {_CMDLINE}")
    memory = next((word for word in words if word.startswith("dom0_mem=")), None)
    if memory is None:
        yield found(
            _WARNING,
            "Xen gave domain 0 all memory (no dom0_mem=): guests get what its balloon gives back, slowly",
            f"dom0_mem=2G,max:2G in {_CMDLINE}",
        )
    elif "max:" not in memory:
        yield found(
            _NOTE,
            f"'{memory}' has no max: domain 0's kernel keeps tables for memory that it never gets",
            f"{memory},max:{memory.removeprefix('dom0_mem=').split(',')[0]} in {_CMDLINE}",
        )
    cpus = int(facts.physical.get("nr_cpus", 0))
    if cpus >= _DOM0_CPUS_MATTER and not any(word.startswith("dom0_max_vcpus=") for word in words):
        yield found(_NOTE, f"domain 0 has all {cpus} CPUs", f"dom0_max_vcpus=4 in {_CMDLINE}")


def kernel(facts: Facts) -> Iterator[Finding]:
    """What dom0's kernel must have, built in or as a module."""
    for path, module, severity, without in _NEEDED:
        if not facts.files.exists(path):
            yield Finding(
                check="kernel",
                severity=severity,
                what=f"{path} is not there: {without}",
                mend=f"modprobe {module}; and its name into /etc/modules-load.d/xen.conf",
            )


def daemons(facts: Facts) -> Iterator[Finding]:
    """xenstored and xenconsoled, and what prepares domain 0 for them."""

    def found(severity: Severity, what: str, mend: str) -> Finding:
        return Finding(check="daemons", severity=severity, what=what, mend=mend)

    # A XenStore in a domain of its own has no process here (xenstore-paths.pandoc, domain/DOMID).
    stores = facts.named("xenstored", "oxenstored")
    if len(stores) > 1:
        pids = ", ".join(str(process.pid) for process in stores)
        yield found(
            _ERROR, f"more than one xenstored runs (processes {pids})", "reboot: they cannot be merged"
        )
    consoles = facts.named("xenconsoled")
    if not consoles:
        yield found(
            _ERROR,
            "xenconsoled does not run: PV and PVH guests have no consoles, and hang once theirs is full",
            "systemctl start xenconsoled, or: xenconsoled --pid-file=/run/xenconsoled.pid",
        )
    if len(consoles) > 1:
        pids = ", ".join(str(process.pid) for process in consoles)
        yield found(_ERROR, f"more than one xenconsoled runs (processes {pids})", "end all but the oldest")
    if facts.dom0_name is None:
        yield found(
            _WARNING,
            "domain 0 has no name in XenStore: xen-init-dom0 has not run",
            "systemctl start xen-init-dom0, or: /usr/lib/xen-*/bin/xen-init-dom0",
        )


def qemu_of(process_words: tuple[str, ...]) -> str | None:
    """The domid that a QEMU serves, from its command line (libxl_dm.c: -xen-domid N)."""
    for option, value in pairwise(process_words):
        if option == "-xen-domid" and re.fullmatch("[0-9]{1,5}", value):
            return value
    return None
