"""`xm create`: read a configuration, hand over the files that the host needs, build, and let it run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli import configfile, dryrun
from domus.cli.carry_out import followed, interrupts_held, take_back
from domus.model.api import CreateRequest
from domus.model.errors import Cancelled, DomusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.cli.options import Call
    from domus.client import Client
    from domus.model.operation import Operation


def run(call: Call) -> int:
    """`xm create [CONFIGFILE] [options] [NAME=VALUE ...]`."""
    if call.has("help_config"):
        from domus.config.reference import help_config

        sys.stdout.write(help_config())
        return 0
    if dryrun.is_asked_for(call):
        # The output of a dry run is for programs: what else there is to say goes beside it.
        loaded = configfile.read(call, sys.stderr, announce=not call.has("quiet"))
        return dryrun.show(call, loaded)
    loaded = configfile.read(call, sys.stdout, announce=not call.has("quiet"))
    from domus.cli import vncviewer
    from domus.cli.handover import hand_over

    with_viewer = vncviewer.is_asked_for(call) or loaded.config.show_vnc
    config = hand_over(loaded.config, call.target)
    with_console = call.has("console_autoconnect")
    request = CreateRequest(config=config, paused=call.has("paused") or with_console)
    made = build(call.client, lambda: call.client.create(request), config.name)
    if not call.has("quiet"):
        print(f"Started domain {made.domain or config.name} (id={made.domid})", flush=True)
    if with_viewer:
        vncviewer.start_beside(call, made.uuid or config.name)
    if with_console:
        run_with_console(call.client, made, paused=call.has("paused"))
    return 0


def build(client: Client, begin: Callable[[], Operation], name: str) -> Operation:
    """Begin to build the domain of this name and wait until it is built; Ctrl-C undoes it.

    Raises:
        Cancelled: by Ctrl-C, and nothing is left of it.
    """
    operation = None
    try:
        with interrupts_held():
            operation = begin()
        return followed(client, operation)
    except KeyboardInterrupt:
        if operation is None:  # it came before the request
            raise
        return _undo_creation(client, operation, name)


def _undo_creation(client: Client, operation: Operation, name: str) -> Operation:
    """Cancel, and wait until nothing is left; a second Ctrl-C no longer waits."""
    try:
        made = take_back(client, operation)
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted; the host goes on undoing the creation of {name}") from None
    except Cancelled:
        raise Cancelled(f"interrupted; domain {name} was not created, nothing is left of it") from None
    # The interrupt came when all was done already: it is the user's wish all the same.
    client.finish(client.destroy(made.uuid or name))
    raise Cancelled(f"interrupted; domain {name} was taken away again")


def run_with_console(client: Client, made: Operation, *, paused: bool) -> None:
    """Attach to the console of a domain that is still paused, so that no byte is lost, and let it run."""
    from domus.cli.console import attach, open_console

    ref = made.uuid or str(made.domid)
    try:
        stream = open_console(client, ref)
    except DomusError as error:
        if not paused:
            client.unpause(ref)
        hint = f"the domain {'is paused' if paused else 'runs'}; xm console {made.domain}"
        raise type(error)(f"Could not start console: {error.what}", hint=hint) from error
    try:
        if not paused:
            client.unpause(ref)
        attach(stream, outlast_input=True, replay=False)
    finally:
        stream.close()
