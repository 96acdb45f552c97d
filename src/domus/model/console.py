"""What travels beside a console's bytes: how a stream begins and why it ends.

On the WebSocket of a console, binary frames are bytes of the guest or for it, exactly as they are; text
frames are JSON about the console, from xend only.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class ConsoleAttached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first frame of a console, and again when the guest has rebooted into a new domain id."""

    domain: str  #: its name
    domid: int
    write: bool = False  #: what is sent is typed into the console
    writer: str = ""  #: who writes now, such as "uid:0"; empty: nobody


class ConsoleEnd(IntEnum):
    """Why xend closed a console (WebSocket close codes; 4000 and above are the application's)."""

    ENDED = 1000  #: the domain ended
    BAD_FRAME = 1003  #: a text frame: only bytes can be typed
    STOPPING = 1012  #: xend is being stopped; the domain runs on
    TOO_SLOW = 4408  #: too much output was waiting for this reader; read on with a new stream
    TAKEN = 4409  #: somebody else writes; watching is still possible
