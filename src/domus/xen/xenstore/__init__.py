"""XenStore, the database through which domains and toolstack agree: client for the event loop.

async with await XenStore.connect() as store:
    async with store.watch("@releaseDomain") as watch:
        async for _ in watch:
            ...
"""

from domus.xen.xenstore.client import ConnectionState, XenStore
from domus.xen.xenstore.permissions import Access, Permission
from domus.xen.xenstore.transaction import Transaction
from domus.xen.xenstore.watch import Watch

__all__ = ["Access", "ConnectionState", "Permission", "Transaction", "Watch", "XenStore"]
