"""How much memory domains may own. The balloon's target is in `lifecycle`."""

from __future__ import annotations

from ctypes import c_int, c_uint64
from typing import Final

from domus.model.errors import LibxlError
from domus.xen.libxl.abi import CTX, DOMID, Prototypes
from domus.xen.libxl.calls import Calls

PROTOTYPES: Final[Prototypes] = {
    "libxl_domain_setmaxmem": (c_int, (CTX, DOMID, c_uint64)),
}


class MemoryCalls(Calls):
    """Limits of memory."""

    def set_max_memory(self, domid: int, kib: int) -> None:
        """Let the domain own no more than `kib` KiB.

        Raises:
            LibxlError: that is less than its target.
        """
        with self._contexts.lease() as context:
            # 1 stands for some of its failures (libxl_mem.c, libxl_domain_setmaxmem: int rc = 1).
            if context.call("libxl_domain_setmaxmem", domid, kib, domid=domid):
                raise LibxlError(f"libxl does not set {kib} KiB", where=f"domain {domid}")
