"""Asks a guest to let go of a device, and puts the device back if it does not.

A toolstack asks by setting the backend's node "state" to Closing and "online" to 0; frontend and backend then
close, and the backend says Closed. Until the guest has answered, setting both back undoes it: the backend
itself only follows its frontend.

Source: xen/include/public/io/xenbus.h; tools/libs/light/libxl_device.c
(libxl__initiate_device_generic_remove); Linux drivers/xen/xenbus/xenbus_probe.c
(xenbus_otherend_changed).
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

from domus.devices.attached import Attached, backend_state
from domus.devices.backends import BackendState
from domus.xen.xenstore import Transaction, XenStore


class Answer(StrEnum):
    """How it stands with a device whose guest was asked."""

    LET_GO = "let go"  #: its backend is closed, or was never connected: it can be taken away
    SILENT = "silent"  #: the guest has not answered
    AT_IT = "at it"  #: the guest has begun, and is not done


async def ask(store: XenStore, device: Attached, *, within: float) -> Answer:
    """Ask the guest, and wait for up to `within` seconds.

    Returns:
        LET_GO at once when no frontend is connected: there is nobody to ask.
    """
    async with store.watch(f"{device.backend}/state") as watch:

        async def body(tx: Transaction) -> bool:
            raw = await tx.read(f"{device.backend}/state")
            if raw is None or BackendState.parse(raw.decode("ascii", "replace")) in _APART:
                return False
            await tx.write(f"{device.backend}/online", "0")
            await tx.write(f"{device.backend}/state", str(int(BackendState.CLOSING)))
            return True

        if not await store.transaction(body):
            return Answer.LET_GO
        try:
            async with asyncio.timeout(within):
                while await watch.changes():
                    if await backend_state(store, device) in (None, BackendState.CLOSED):
                        return Answer.LET_GO
        except TimeoutError:
            pass
    return await standing(store, device)


async def standing(store: XenStore, device: Attached) -> Answer:
    """How it stands now with a device whose guest was asked, perhaps by a former xend."""
    state = await backend_state(store, device)
    if state in (None, BackendState.CLOSED):
        return Answer.LET_GO
    # The guest's own node: that it has begun is all that is taken from it, and if it lies it harms itself.
    frontend = BackendState.parse(await store.read_text(f"{device.frontend}/state"))
    return Answer.AT_IT if frontend in _LEAVING else Answer.SILENT


async def put_back(store: XenStore, device: Attached) -> None:
    """Take the question back; harmless when it was not asked, or the device is gone."""

    async def body(tx: Transaction) -> None:
        raw = await tx.read(f"{device.backend}/state")
        if raw is not None and BackendState.parse(raw.decode("ascii", "replace")) is BackendState.CLOSING:
            await tx.write(f"{device.backend}/online", "1")
            await tx.write(f"{device.backend}/state", str(int(BackendState.CONNECTED)))

    await store.transaction(body)


#: where a backend is with no frontend connected to it
_APART = (
    BackendState.UNKNOWN,
    BackendState.INITIALISING,
    BackendState.INIT_WAIT,
    BackendState.CLOSED,
)
_LEAVING = (BackendState.CLOSING, BackendState.CLOSED)
