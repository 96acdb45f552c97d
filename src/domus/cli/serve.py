"""`xm serve`: carries the API of this machine's xend over standard input and output.

    ssh root@host xm serve

is a connection to that host's xend; `xm --host ssh://root@host list` makes it by itself.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING, Final

from domus.cli.terminal import write_all
from domus.model.errors import BadInput

if TYPE_CHECKING:
    import socket

    from domus.cli.options import Call

_PIECE: Final = 65536

#: seconds of silence that end it once the input has ended: xend may still be at the answer
QUIET: Final = 10.0


def run(call: Call) -> int:
    """`xm serve`."""
    from domus.cli.target import Local

    if call.host not in (None, "local"):
        raise BadInput("xm serve carries the API of its own machine", hint=f"xm --host {call.host} list")
    connection = Local().client.calls.exchange.peer.connect()
    with connection:
        carry(connection, sys.stdin.fileno(), sys.stdout.fileno())
    return 0


def carry(connection: socket.socket, source: int, sink: int) -> None:
    """Copy bytes both ways until xend hangs up.

    When the input has ended, until nobody reads the output any more, or xend has been silent for long.
    """
    connection.setblocking(True)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(source, select.POLLIN)
    within: float | None = None
    while ready := poll.poll(within):
        descriptors = {descriptor for descriptor, _ in ready}
        if sink in descriptors:
            return
        if connection.fileno() in descriptors:
            data = connection.recv(_PIECE)
            if not data:
                return
            write_all(sink, data)
        if source in descriptors:
            data = os.read(source, _PIECE)
            if data:
                connection.sendall(data)
            else:
                # xend would take a half-closed connection for one that is gone, with the answer owed.
                poll.unregister(source)
                poll.register(sink, 0)  # tells errors and hang-ups only
                within = QUIET * 1000
