"""The API's client: synchronous and light, for `xm` and for scripts.

It imports neither asyncio nor `http.client` (whose mail parser alone costs more than the rest of
`xm list`); `ssl` comes in only for remote hosts, `websockets` only for consoles, `cryptography` only for
`domus.client.certificates`.

    from domus.client import Client

    with Client.local() as xend:
        for domain in xend.domains():
            print(domain.name, domain.state)
"""

from domus.client.client import Client

__all__ = ["Client"]
