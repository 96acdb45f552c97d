"""The rest of xm's subcommands: not part of this version yet, or gone from Xen itself."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command


def _later(name: str, usage: str, sentence: str) -> Command:
    return Command(name=name, usage=usage, sentence=sentence)


def _gone(name: str, usage: str, sentence: str, gone: str, *, listed: bool = True) -> Command:
    return Command(name=name, usage=usage, sentence=sentence, gone=gone, listed=listed, needs_host=False)


_TMEM: Final = "transcendent memory was removed from Xen in 4.13; there is no replacement."
_SEDF: Final = (
    "the SEDF scheduler was removed in Xen 4.6; use 'xm sched-rtds' on a pool that runs the rtds scheduler."
)
_BVT: Final = "the BVT scheduler was removed in Xen 3.0.3; use 'xm sched-credit2' or 'xm sched-credit'."
_VNET: Final = (
    "vnets were removed in Xen 4.2; use a Linux bridge or Open vSwitch and 'xm network-attach … bridge=NAME'."
)
_NETCHANNEL2: Final = (
    "netchannel2 was removed with xend (Xen 4.5); use 'xm network-attach', 'network-detach', 'network-list'."
)
_XENAPI_NETWORKS: Final = (
    "Xen-API networks were removed with xend (Xen 4.5); manage bridges with 'ip link' or 'brctl'."
)
_SCSI: Final = (
    "libxl has no virtual SCSI support; attach the disk with 'xm block-attach DOM phy:/dev/DISK xvdX w'."
)
_ACM: Final = (
    "ACM was removed in Xen 4.2; use Flask (seclabel= in the guest's configuration,"
    " 'xm loadpolicy', 'xm getenforce')."
)

_ACM_OBJECT: Final = "dom CONFIG|mgt NAME|res RESOURCE|vif-N NAME"

LATER: Final[tuple[Command, ...]] = (
    # domains
    _later("vncviewer", "[--vncviewer-autopass] DOM", "Attach to the domain's display with a VNC viewer."),
    _later("new", "[CONFIGFILE] [options] [NAME=VALUE ...]", "Define a managed domain, without starting it."),
    _later("delete", "DOM", "Forget a managed domain."),
    _later("dump-core", "[-L] [-C|-R] DOM [FILE]", "Write a domain's memory into a file."),
    _later("mem-max", "DOM MEM", "Set the most memory that a domain may own."),
    _later("mem-set", "DOM MEM", "Set the memory that a domain shall have now."),
    _later("migrate", "[-l] DOM HOST", "Move a domain to another host."),
    _later("rename", "DOM NEWNAME", "Give a domain another name."),
    _later("reset", "DOM", "Destroy a domain and build it again."),
    _later("restore", "FILE [-p]", "Bring a saved domain back."),
    _later("resume", "[-p] DOM", "Bring a suspended managed domain back."),
    _later("save", "[-c] DOM FILE", "Save a domain into a file, and stop it."),
    _later("shell", "", "Read subcommands from a prompt."),
    _later("start", "[-p] [-c] DOM", "Start a managed domain."),
    _later("suspend", "DOM", "Save a managed domain to disk, and stop it."),
    _later("sysrq", "DOM LETTER", "Send a system request to a domain's kernel."),
    _later("trigger", "DOM nmi|reset|init|s3resume|power [VCPU]", "Send an event to a domain's VCPU."),
    _later("top", "", "Watch domains and host, like top."),
    _later("uptime", "[-s] [DOM ...]", "Print how long domains have been running."),
    _later("usb-add", "DOM host:BUS.ADDR|host:VENDOR:PRODUCT", "Give a USB device of the host to a domain."),
    _later("usb-del", "DOM host:BUS.ADDR|host:VENDOR:PRODUCT", "Take a USB device from a domain."),
    _later("vcpu-list", "[DOM ...]", "List the VCPUs of domains."),
    _later("vcpu-pin", "DOM VCPU|all CPUS|all", "Say on which CPUs a VCPU may run."),
    _later("vcpu-set", "DOM N", "Set how many VCPUs of a domain are online."),
    # the host
    _later("debug-keys", "KEYS", "Send debug keys to Xen; read the answer with 'xm dmesg'."),
    _later("serve", "", "Carry the API over standard input and output."),
    # schedulers
    _later("sched-credit", "[-d DOM [-w N] [-c N]]", "Show or set parameters of the credit scheduler."),
    _later("sched-credit2", "[-d DOM [-w N]]", "Show or set parameters of the credit2 scheduler."),
    _gone("sched-sedf", "[DOM] [options]", "Parameters of the SEDF scheduler.", _SEDF),
    _gone("sched-bvt", "[options]", "Parameters of the BVT scheduler.", _BVT, listed=False),
    _gone("sched-bvt-ctxallow", "[options]", "Parameters of the BVT scheduler.", _BVT, listed=False),
    # devices
    _later("block-attach", "DOM BACKDEV FRONTDEV MODE [BACKDOM]", "Attach a disk to a domain."),
    _later("block-detach", "DOM DEVID [-f]", "Detach a disk from a domain."),
    _later("block-list", "DOM [-l]", "List the disks of a domain."),
    _later("block-configure", "DOM BACKDEV FRONTDEV MODE [BACKDOM]", "Change the medium of a disk."),
    _later("network-attach", "DOM [KEY=VALUE ...]", "Attach a network card to a domain."),
    _later("network-detach", "DOM DEVID|MAC [-f]", "Detach a network card from a domain."),
    _later("network-list", "DOM [-l]", "List the network cards of a domain."),
    _gone("network2-attach", "DOM [KEY=VALUE ...]", "Attach a netchannel2 card.", _NETCHANNEL2),
    _gone("network2-detach", "DOM DEVID [-f]", "Detach a netchannel2 card.", _NETCHANNEL2),
    _gone("network2-list", "DOM [-l]", "List netchannel2 cards.", _NETCHANNEL2),
    _later("vtpm-list", "DOM [-l]", "List the virtual TPMs of a domain."),
    _later("pci-attach", "[-o KEY=VALUE] DOM BDF [VSLOT]", "Give a PCI device to a domain."),
    _later("pci-detach", "DOM BDF", "Take a PCI device from a domain."),
    _later("pci-list", "DOM", "List the PCI devices of a domain."),
    _later("pci-list-assignable-devices", "", "List the PCI devices that domains can be given."),
    _gone("scsi-attach", "DOM PHYSDEV VIRTDEV [BACKDOM]", "Attach a virtual SCSI device.", _SCSI),
    _gone("scsi-detach", "DOM VIRTDEV", "Detach a virtual SCSI device.", _SCSI),
    _gone("scsi-list", "DOM [-l]", "List virtual SCSI devices.", _SCSI),
    _later("usb-attach", "DOM DEVID PORT BUSID", "Plug a USB device into a domain's controller."),
    _later("usb-detach", "DOM DEVID PORT", "Unplug a USB device from a domain's controller."),
    _later("usb-list", "DOM", "List a domain's USB controllers and devices."),
    _later("usb-list-assignable-devices", "", "List the USB devices that domains can be given."),
    _later("usb-hc-create", "DOM USBVER NUMPORTS", "Give a domain a USB controller."),
    _later("usb-hc-destroy", "DOM DEVID", "Take a USB controller from a domain."),
    # virtual networks
    _gone("vnet-list", "[-l] [VNET ...]", "List virtual networks.", _VNET),
    _gone("vnet-create", "CONFIG", "Create a virtual network.", _VNET),
    _gone("vnet-delete", "VNET", "Delete a virtual network.", _VNET),
    _gone("network-new", "NAME", "Create a network of the Xen-API.", _XENAPI_NETWORKS, listed=False),
    _gone("network-del", "NAME", "Delete a network of the Xen-API.", _XENAPI_NETWORKS, listed=False),
    _gone("network-show", "", "List the networks of the Xen-API.", _XENAPI_NETWORKS, listed=False),
    # security
    _later("setpolicy", "ACM NAME|FLASK FILE", "Set the host's security policy."),
    _later("addlabel", f"LABEL {_ACM_OBJECT}", "Label a domain or a resource."),
    _later("rmlabel", _ACM_OBJECT, "Remove a label."),
    _later("getlabel", _ACM_OBJECT, "Show a label."),
    _later("dry-run", "CONFIG", "Say whether a domain could use its resources."),
    _gone("resources", "", "List labelled resources.", _ACM),
    _gone("labels", "[POLICY] [type=dom|res|any]", "List the labels of a policy.", _ACM),
    _gone("dumppolicy", "", "Print the state of the policy.", _ACM),
    _gone("getpolicy", "[--dumpxml]", "Show the host's policy.", _ACM),
    _gone("resetpolicy", "", "Reset the host's policy.", _ACM),
    _gone("makepolicy", "POLICY", "Compile a policy.", _ACM, listed=False),
    _gone("cfgbootpolicy", "POLICY [BOOT-TITLE]", "Put a policy into the boot menu.", _ACM, listed=False),
    _gone("activatepolicy", "[options]", "Make a policy the host's.", _ACM, listed=False),
    Command(name="loadpolicy", usage="FILE", sentence="Load a Flask policy.", listed=False),
    _later("getenforce", "", "Print whether Flask enforces its policy."),
    _later("setenforce", "Enforcing|Permissive|1|0", "Let Flask enforce its policy, or not."),
    # transcendent memory
    _gone("tmem-list", "[-l] [-a|DOM]", "List tmem pools.", _TMEM),
    _gone("tmem-thaw", "-a|DOM", "Thaw tmem pools.", _TMEM),
    _gone("tmem-freeze", "-a|DOM", "Freeze tmem pools.", _TMEM),
    _gone("tmem-destroy", "-a|DOM", "Destroy tmem pools.", _TMEM),
    _gone("tmem-set", "-a|DOM [options]", "Change tmem settings.", _TMEM),
    _gone("tmem-shared-auth", "-a|DOM [options]", "Allow shared tmem pools.", _TMEM),
    _gone("tmem-flush", "-a|DOM", "Flush tmem pools.", _TMEM, listed=False),
    _gone("tmem-freeable", "", "Print how much tmem could be freed.", _TMEM, listed=False),
    # cpupools
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
