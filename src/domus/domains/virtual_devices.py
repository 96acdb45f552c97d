"""Virtual devices that other domains, or programs in domain 0, serve: TPMs, keyboards, displays, sound cards.

libxl attaches and detaches them, within one call for each, and waits 10 s for their backend. Should that
fail, or xend be killed meanwhile, what libxl had attached by then is taken away again. When the guest reboots
they are not there again: the domain that served them may be gone by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from domus.devices import attached
from domus.domains.by_libxl import begin
from domus.domains.journal import TakeNew
from domus.model.devices import Vdispl, Vkb, Vsnd, Vtpm
from domus.model.errors import LibxlError, NotFound

if TYPE_CHECKING:
    from domus.domains.parts import Parts
    from domus.model.operation import Operation

VirtualDevice = Vtpm | Vkb | Vdispl | Vsnd

#: what a kind is called by libxl, and in XenStore where it differs (libxl_types_internal.idl, device_kind)
_KINDS: Final[dict[type, str]] = {Vtpm: "vtpm", Vkb: "vkb", Vdispl: "vdispl", Vsnd: "vsnd"}
_FRONTENDS: Final = {"vkb": "vkbd"}


class VirtualDevices:
    """For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def attach(self, reference: str, device: VirtualDevice, *, who: str) -> Operation:
        """Attach one.

        Raises:
            DomainNotFound: no such domain, or none of its backend's name.
            Forbidden (domain 0), WrongState (it has ended), Busy.
        """
        info, domid = await self._parts.alive(reference, "attach a device to")
        kind = _KINDS[type(device)]
        if device.backend_domain is not None:
            await self._parts.get(device.backend_domain)

        async def body() -> None:
            document = _document(device)
            # libxl chooses the number itself, as of all devices that are attached to running domains.
            del document["devid"]
            try:
                await self._parts.workers.call(self._parts.libxl.add_device, domid, kind, document)
            except LibxlError as error:
                if "TIMEDOUT" not in error.what:
                    raise
                server = device.backend_domain or "Domain-0"
                raise LibxlError(error.what, hint=f"no backend for {kind} runs in {server}") from error

        async def prepare() -> TakeNew:
            return TakeNew(info.uuid, domid, kind, tuple(await self._numbers(domid, kind)))

        return await begin(self._parts, f"{kind}-attach", info, body, who, prepare)

    async def detach(self, reference: str, kind: str, devid: int, *, force: bool, who: str) -> Operation:
        """Take one away; `kind` is vtpm, vkb, vdispl or vsnd.

        Raises:
            NotFound: there is none of this number; and as `attach`.
        """
        info, domid = await self._parts.alive(reference, "detach a device from")
        if devid not in await self._numbers(domid, kind):
            raise NotFound(f"Device {devid} not connected")

        async def body() -> None:
            remove = self._parts.libxl.remove_device
            try:
                await self._parts.workers.call(remove, domid, kind, devid, force=force)
            except LibxlError:
                # It says so too when a backend does not answer, whose device it has then taken away.
                if devid in await self._numbers(domid, kind):
                    raise

        return await begin(self._parts, f"{kind}-detach", info, body, who)

    async def undo(self, record: TakeNew) -> None:
        """Take away what has come since; harmless when repeated."""
        libxl, call = self._parts.libxl, self._parts.workers.call
        found = await call(libxl.domain_info, record.domid)
        if found is None or found["uuid"] != record.uuid:
            return
        for devid in sorted({*await self._numbers(record.domid, record.kind)} - {*record.before}):
            await call(libxl.remove_device, record.domid, record.kind, devid, force=True)

    async def _numbers(self, domid: int, kind: str) -> list[int]:
        frontend = _FRONTENDS.get(kind, kind)
        return [each.devid for each in await attached.devices(self._parts.store, domid, frontend)]


def _document(device: VirtualDevice) -> dict[str, Any]:
    from domus.config.compile import devices  # heavy: only who attaches needs it

    match device:
        case Vtpm():
            return devices.vtpm_json(0, device)
        case Vkb():
            return devices.vkb_json(0, device)
        case Vdispl():
            return devices.vdispl_json(0, device)
        case Vsnd():
            return devices.vsnd_json(0, device)
