"""xm's subcommands that are not part of this version yet."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command


def _later(name: str, usage: str, sentence: str) -> Command:
    return Command(name=name, usage=usage, sentence=sentence)


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
)
