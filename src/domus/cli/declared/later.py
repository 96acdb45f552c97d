"""xm's subcommands that are not part of this version yet."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command


def _later(name: str, usage: str, sentence: str) -> Command:
    return Command(name=name, usage=usage, sentence=sentence)


_ACM_OBJECT: Final = "dom CONFIG|mgt NAME|res RESOURCE|vif-N NAME"

COMMANDS: Final[tuple[Command, ...]] = (
    _later("vncviewer", "[--vncviewer-autopass] DOM", "Attach to the domain's display with a VNC viewer."),
    _later("dump-core", "[-L] [-C|-R] DOM [FILE]", "Write a domain's memory into a file."),
    _later("mem-max", "DOM MEM", "Set the most memory that a domain may own."),
    _later("mem-set", "DOM MEM", "Set the memory that a domain shall have now."),
    _later("migrate", "[-l] DOM HOST", "Move a domain to another host."),
    _later("reset", "DOM", "Destroy a domain and build it again."),
    _later("resume", "[-p] DOM", "Bring a suspended managed domain back."),
    _later("suspend", "DOM", "Save a managed domain to disk, and stop it."),
    _later("sysrq", "DOM LETTER", "Send a system request to a domain's kernel."),
    _later("trigger", "DOM nmi|reset|init|s3resume|power [VCPU]", "Send an event to a domain's VCPU."),
    _later("uptime", "[-s] [DOM ...]", "Print how long domains have been running."),
    _later("usb-add", "DOM host:BUS.ADDR|host:VENDOR:PRODUCT", "Give a USB device of the host to a domain."),
    _later("usb-del", "DOM host:BUS.ADDR|host:VENDOR:PRODUCT", "Take a USB device from a domain."),
    _later("vcpu-list", "[DOM ...]", "List the VCPUs of domains."),
    _later("vcpu-pin", "DOM VCPU|all CPUS|all", "Say on which CPUs a VCPU may run."),
    _later("vcpu-set", "DOM N", "Set how many VCPUs of a domain are online."),
    _later("debug-keys", "KEYS", "Send debug keys to Xen; read the answer with 'xm dmesg'."),
    _later("sched-credit", "[-d DOM [-w N] [-c N]]", "Show or set parameters of the credit scheduler."),
    _later("sched-credit2", "[-d DOM [-w N]]", "Show or set parameters of the credit2 scheduler."),
    _later("vtpm-list", "DOM [-l]", "List the virtual TPMs of a domain."),
    _later("pci-attach", "[-o KEY=VALUE] DOM BDF [VSLOT]", "Give a PCI device to a domain."),
    _later("pci-detach", "DOM BDF", "Take a PCI device from a domain."),
    _later("pci-list", "DOM", "List the PCI devices of a domain."),
    _later("pci-list-assignable-devices", "", "List the PCI devices that domains can be given."),
    _later("usb-attach", "DOM DEVID PORT BUSID", "Plug a USB device into a domain's controller."),
    _later("usb-detach", "DOM DEVID PORT", "Unplug a USB device from a domain's controller."),
    _later("usb-list", "DOM", "List a domain's USB controllers and devices."),
    _later("usb-list-assignable-devices", "", "List the USB devices that domains can be given."),
    _later("usb-hc-create", "DOM USBVER NUMPORTS", "Give a domain a USB controller."),
    _later("usb-hc-destroy", "DOM DEVID", "Take a USB controller from a domain."),
    _later("setpolicy", "ACM NAME|FLASK FILE", "Set the host's security policy."),
    _later("addlabel", f"LABEL {_ACM_OBJECT}", "Label a domain or a resource."),
    _later("rmlabel", _ACM_OBJECT, "Remove a label."),
    _later("getlabel", _ACM_OBJECT, "Show a label."),
    _later("dry-run", "CONFIG", "Say whether a domain could use its resources."),
    Command(name="loadpolicy", usage="FILE", sentence="Load a Flask policy.", listed=False),
    _later("getenforce", "", "Print whether Flask enforces its policy."),
    _later("setenforce", "Enforcing|Permissive|1|0", "Let Flask enforce its policy, or not."),
    _later("cpupool-create", "[CONFIGFILE] [options] [NAME=VALUE ...]", "Create a cpupool."),
    _later("cpupool-new", "[CONFIGFILE] [options] [NAME=VALUE ...]", "Define a managed cpupool."),
    _later("cpupool-start", "POOL", "Start a managed cpupool."),
    _later("cpupool-list", "[-l] [-c] [POOL]", "List cpupools."),
    _later("cpupool-destroy", "POOL", "Stop a cpupool."),
    _later("cpupool-delete", "POOL", "Forget a managed cpupool."),
    _later("cpupool-cpu-add", "POOL CPU", "Add a CPU to a cpupool."),
    _later("cpupool-cpu-remove", "POOL CPU", "Remove a CPU from a cpupool."),
    _later("cpupool-migrate", "DOM POOL", "Move a domain into a cpupool."),
    Command(name="event-monitor", sentence="Print the host's events as they happen.", listed=False),
)
