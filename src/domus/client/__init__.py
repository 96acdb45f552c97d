"""The API's client: synchronous and light, for `xm` and for scripts.

It imports neither asyncio nor `http.client` (whose mail parser alone costs more than the rest of
`xm list`); `ssl` comes in only for remote hosts, `websockets` only for consoles, `cryptography` only for
`domus.client.certificates`.

    from domus.client import Client

    with Client.local() as xend:
        for domain in xend.domains():
            print(domain.name, domain.state)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from domus.client.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    """`Client`, imported when it is asked for: `domus.cli.early` uses light parts of this package only."""
    if name != "Client":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from domus.client.client import Client

    return Client
