"""xm's subcommands for what Xen itself no longer has: each answers what took its place."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command


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


def _xls(name: str, usage: str, sentence: str, instead: str) -> Command:
    return Command(
        name=name, origin="xl", usage=usage, sentence=sentence, gone=instead, listed=False, needs_host=False
    )


COMMANDS: Final[tuple[Command, ...]] = (
    _gone("sched-sedf", "[DOM] [options]", "Parameters of the SEDF scheduler.", _SEDF),
    _gone("sched-bvt", "[options]", "Parameters of the BVT scheduler.", _BVT, listed=False),
    _gone("sched-bvt-ctxallow", "[options]", "Parameters of the BVT scheduler.", _BVT, listed=False),
    _gone("network2-attach", "DOM [KEY=VALUE ...]", "Attach a netchannel2 card.", _NETCHANNEL2),
    _gone("network2-detach", "DOM DEVID [-f]", "Detach a netchannel2 card.", _NETCHANNEL2),
    _gone("network2-list", "DOM [-l]", "List netchannel2 cards.", _NETCHANNEL2),
    _gone("scsi-attach", "DOM PHYSDEV VIRTDEV [BACKDOM]", "Attach a virtual SCSI device.", _SCSI),
    _gone("scsi-detach", "DOM VIRTDEV", "Detach a virtual SCSI device.", _SCSI),
    _gone("scsi-list", "DOM [-l]", "List virtual SCSI devices.", _SCSI),
    _gone("vnet-list", "[-l] [VNET ...]", "List virtual networks.", _VNET),
    _gone("vnet-create", "CONFIG", "Create a virtual network.", _VNET),
    _gone("vnet-delete", "VNET", "Delete a virtual network.", _VNET),
    _gone("network-new", "NAME", "Create a network of the Xen-API.", _XENAPI_NETWORKS, listed=False),
    _gone("network-del", "NAME", "Delete a network of the Xen-API.", _XENAPI_NETWORKS, listed=False),
    _gone("network-show", "", "List the networks of the Xen-API.", _XENAPI_NETWORKS, listed=False),
    _gone("resources", "", "List labelled resources.", _ACM),
    _gone("labels", "[POLICY] [type=dom|res|any]", "List the labels of a policy.", _ACM),
    _gone("dumppolicy", "", "Print the state of the policy.", _ACM),
    _gone("getpolicy", "[--dumpxml]", "Show the host's policy.", _ACM),
    _gone("resetpolicy", "", "Reset the host's policy.", _ACM),
    _gone("makepolicy", "POLICY", "Compile a policy.", _ACM, listed=False),
    _gone("cfgbootpolicy", "POLICY [BOOT-TITLE]", "Put a policy into the boot menu.", _ACM, listed=False),
    _gone("activatepolicy", "[options]", "Make a policy the host's.", _ACM, listed=False),
    _gone("tmem-list", "[-l] [-a|DOM]", "List tmem pools.", _TMEM),
    _gone("tmem-thaw", "-a|DOM", "Thaw tmem pools.", _TMEM),
    _gone("tmem-freeze", "-a|DOM", "Freeze tmem pools.", _TMEM),
    _gone("tmem-destroy", "-a|DOM", "Destroy tmem pools.", _TMEM),
    _gone("tmem-set", "-a|DOM [options]", "Change tmem settings.", _TMEM),
    _gone("tmem-shared-auth", "-a|DOM [options]", "Allow shared tmem pools.", _TMEM),
    _gone("tmem-flush", "-a|DOM", "Flush tmem pools.", _TMEM, listed=False),
    _gone("tmem-freeable", "", "Print how much tmem could be freed.", _TMEM, listed=False),
    _xls(
        "config-update",
        "DOM [FILE]",
        "Replace what xl keeps of a running domain.",
        "xend keeps configurations, with their history; use 'xm config set DOM FILE'.",
    ),
    _xls(
        "devd",
        "[-F] [-p FILE]",
        "Serve backends in a driver domain.",
        "it belongs into driver domains, which have no xend; run 'xl devd' there.",
    ),
    _xls(
        "migrate-receive",
        "",
        "The receiving end of xl migrate.",
        "'xl migrate' starts it by itself; it is for nobody else.",
    ),
)
