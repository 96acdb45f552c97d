"""`xm new`, `start`, `delete`, `rename`, `adopt`: domains whose configuration the host keeps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli import configfile, dryrun
from domus.cli.carry_out import followed
from domus.cli.create import build, run_with_console
from domus.cli.privileged import refuse_dom0
from domus.model.errors import Cancelled

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.operation import Operation


def new(call: Call) -> int:
    """`xm new [CONFIGFILE] [options] [NAME=VALUE ...]`: create's arguments, and nothing is started."""
    if call.has("help_config"):
        from domus.config.reference import help_config

        sys.stdout.write(help_config())
        return 0
    if dryrun.is_asked_for(call):
        loaded = configfile.read(call, sys.stderr, announce=not call.has("quiet"))
        return dryrun.show(call, loaded)
    loaded = configfile.read(call, sys.stdout, announce=not call.has("quiet"))
    from domus.cli.handover import hand_over

    call.client.managed.define(hand_over(loaded.config, call.target))
    return 0


def start(call: Call) -> int:
    """`xm start [-p] [-c] [--vncviewer] DOM`: silent, and over when the domain is built."""
    if len(call.words) != 1:
        raise call.wrong("Expects 1 argument")
    (name,) = call.words
    from domus.cli import vncviewer

    with_console = call.has("console_autoconnect")
    with_viewer = vncviewer.is_asked_for(call)
    paused = call.has("paused") or with_console
    made = build(call.client, lambda: call.client.managed.start(name, paused=paused), name)
    if with_viewer:
        vncviewer.start_beside(call, name)
    if with_console:
        run_with_console(call.client, made, paused=call.has("paused"))
    return 0


def delete(call: Call) -> int:
    """`xm delete DOM`."""
    call.client.managed.delete(refuse_dom0(call, "delete"))
    return 0


def rename(call: Call) -> int:
    """`xm rename DOM NEWNAME`: silent, and over when every place has the new name."""
    name, wanted = call.words
    _finish(call, call.client.managed.rename(name, wanted), f"renaming {name}")
    return 0


def adopt(call: Call) -> int:
    """`xm adopt DOM`: silent, and over when its configuration is on the host's disk."""
    name = refuse_dom0(call, "adopt")
    _finish(call, call.client.managed.adopt(name), f"adopting {name}")
    return 0


def _finish(call: Call, operation: Operation, doing: str) -> None:
    try:
        followed(call.client, operation)
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted; the host goes on {doing}") from None
