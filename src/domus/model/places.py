"""Where xend is found. Light: known before the rest of `xm` is imported."""

from __future__ import annotations

#: where xend listens on its own host
SOCKET_PATH = "/run/domus/xend.sock"

#: where xend listens for other hosts, in TLS
TLS_PORT = 8443
