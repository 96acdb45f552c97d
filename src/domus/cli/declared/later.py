"""xm's subcommands that are not part of this version yet."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command


def _later(name: str, usage: str, sentence: str) -> Command:
    return Command(name=name, usage=usage, sentence=sentence)


def _of_xl(name: str, usage: str, sentence: str) -> Command:
    return Command(name=name, origin="xl", usage=usage, sentence=sentence, listed=False)


#: what xl has besides
_XLS: Final = (
    _of_xl(
        "remus", "[options] DOM HOST", "Keep a copy of a domain on another host, checkpoint by checkpoint."
    ),
    _of_xl("vkb-attach", "DOM [KEY=VALUE ...]", "Attach a virtual keyboard to a running domain."),
    _of_xl("vkb-detach", "DOM DEVID", "Detach a virtual keyboard from a running domain."),
    _of_xl("vdispl-attach", "DOM [KEY=VALUE ...]", "Attach a virtual display to a running domain."),
    _of_xl("vdispl-detach", "DOM DEVID", "Detach a virtual display from a running domain."),
    _of_xl("vdispl-list", "DOM", "List the virtual displays of a domain."),
    _of_xl("vsnd-attach", "DOM [KEY=VALUE ...]", "Attach a virtual sound card to a running domain."),
    _of_xl("vsnd-detach", "DOM DEVID", "Detach a virtual sound card from a running domain."),
    _of_xl("vsnd-list", "DOM", "List the virtual sound cards of a domain."),
    _of_xl("psr-hwinfo", "[-m] [-a] [-b]", "Show what the CPUs can do to share caches and bandwidth out."),
    _of_xl("psr-cmt-attach", "DOM", "Measure a domain's use of the caches."),
    _of_xl("psr-cmt-detach", "DOM", "Measure it no longer."),
    _of_xl("psr-cmt-show", "TYPE [DOM]", "Show what was measured."),
    _of_xl("psr-cat-set", "[options] DOM CBM", "Set which part of a cache a domain may use."),
    _of_xl("psr-cat-show", "[-l LEVEL] [DOM]", "Show which parts of the caches domains may use."),
    _of_xl("psr-mba-set", "[options] DOM THROTTLE", "Limit a domain's memory bandwidth."),
    _of_xl("psr-mba-show", "[DOM]", "Show the limits of domains' memory bandwidth."),
    _of_xl("dt-overlay", "add|remove FILE", "Change the host's device tree (Arm)."),
    _of_xl("xenstore-quota-get", "DOM|-g", "Show quotas of XenStore (Xen 4.22 on)."),
    _of_xl("xenstore-quota-set", "DOM|-g QUOTA=N ...", "Set quotas of XenStore (Xen 4.22 on)."),
)

_ACM_OBJECT: Final = "dom CONFIG|mgt NAME|res RESOURCE|vif-N NAME"

COMMANDS: Final[tuple[Command, ...]] = (
    _later("setpolicy", "ACM NAME|FLASK FILE", "Set the host's security policy."),
    _later("addlabel", f"LABEL {_ACM_OBJECT}", "Label a domain or a resource."),
    _later("rmlabel", _ACM_OBJECT, "Remove a label."),
    _later("getlabel", _ACM_OBJECT, "Show a label."),
    _later("dry-run", "CONFIG", "Say whether a domain could use its resources."),
    Command(name="loadpolicy", usage="FILE", sentence="Load a Flask policy.", listed=False),
    _later("getenforce", "", "Print whether Flask enforces its policy."),
    _later("setenforce", "Enforcing|Permissive|1|0", "Let Flask enforce its policy, or not."),
    *_XLS,
)
