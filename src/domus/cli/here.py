"""Whether this machine runs Xen. Light, as `early` is."""

from __future__ import annotations

import os

from domus.model.places import SOCKET_PATH

_CAPABILITIES = "/proc/xen/capabilities"


def socket_path() -> str:
    """Where this machine's xend listens, if it has one."""
    return os.environ.get("XEND_SOCKET", SOCKET_PATH)


def runs_xen() -> bool:
    """This machine is a control domain, or has a xend."""
    if os.path.exists(socket_path()):  # noqa: PTH110 - pathlib costs 5 ms
        return True
    try:
        with open(_CAPABILITIES) as file:  # noqa: PTH123
            return "control_d" in file.read()
    except OSError:
        return False
