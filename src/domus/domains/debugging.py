"""Buttons and keys that domains and Xen listen to, and how long domains have been running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.model.config import GuestType
from domus.model.debugging import OverlayVerb, Uptime
from domus.model.errors import BadInput, HostProblem, LibxlError, WrongState
from domus.model.names import DOM0

if TYPE_CHECKING:
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo

#: bytes that Xen takes of a text of parameters (xen/include/public/sysctl.h, XEN_SYSCTL_set_parameter)
_MOST_PARAMETERS: Final = 1023

#: how a flattened device tree begins (Devicetree Specification, "magic")
_DEVICE_TREE: Final = b"\xd0\x0d\xfe\xed"

#: characters of a command for QEMU's monitor; its own line has 4095 (QEMU util/readline.c)
_MOST_MONITOR: Final = 4095
#: libxl's own line to a domain's QEMU (libxl_qmp.c, libxl_dm.c)
_MONITOR: Final = "/run/xen/qmp-libxl-{}"


class Debugging:
    """What helps to find out what a domain, or Xen, is doing. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def trigger(self, reference: str, trigger: str, vcpu: int) -> None:
        """Press a button of a domain: power, sleep, nmi, init, reset or s3resume.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended).
            BadInput: no such button, or no such VCPU.
            LibxlError: this kind of domain has no such button.
        """
        info, domid = await self._parts.alive(reference, "send a trigger to")
        if not 0 <= vcpu < info.max_vcpus:
            raise BadInput(f"'{info.name}' has no VCPU {vcpu}", hint=f"it has {info.max_vcpus}")
        try:
            await self._parts.workers.call(self._parts.libxl.send_trigger, domid, trigger, vcpu)
        except LibxlError as error:
            hint = "only HVM guests have buttons" if info.guest_type is not GuestType.HVM else ""
            raise LibxlError(error.what, where=info.name, hint=hint) from error

    async def sysrq(self, reference: str, key: str) -> None:
        """Press a magic SysRq key of a Linux guest; answers to it are on its console.

        Raises:
            DomainNotFound, WrongState (it has ended).
            BadInput: it is not one character.
        """
        _, domid = await self._parts.started(reference)
        await self._parts.workers.call(self._parts.libxl.send_sysrq, domid, key)

    async def monitor(self, reference: str, command: str) -> str:
        """Have the monitor of a domain's QEMU carry a command out; returns what it printed.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended, or has no QEMU).
            BadInput: the command is empty, too long, or no printable text.
            LibxlError: QEMU does not answer.
        """
        if not command.strip() or not command.isprintable() or len(command) > _MOST_MONITOR:
            raise BadInput(f"invalid monitor command {command[:40]!r}", hint="such as 'info block'; 'help'")
        info, domid = await self._parts.alive(reference, "run a command in QEMU's monitor of")
        # Of a domain without QEMU libxl would wait for a socket that nobody makes.
        if not await asyncio.to_thread(Path(_MONITOR.format(domid)).exists):
            raise WrongState(f"'{info.name}' has no QEMU that listens to libxl")
        text = await self._parts.workers.call(self._parts.libxl.monitor, domid, command)
        return text.replace("\r\n", "\n")

    async def debug_keys(self, keys: str) -> None:
        """Press keys on Xen's console.

        Raises:
            BadInput: they are none, or no ASCII characters.
        """
        if not keys or not keys.isascii() or not keys.isprintable() or len(keys) > 64:
            raise BadInput(f"invalid debug keys {keys[:40]!r}", hint="letters and digits; h lists them")
        await self._parts.workers.call(self._parts.libxl.send_debug_keys, keys)

    async def set_parameters(self, parameters: str) -> None:
        """Change parameters of Xen's command line while it runs.

        Raises:
            BadInput: one is unknown, or cannot change while Xen runs.
        """
        if not parameters.strip() or not parameters.isascii() or len(parameters) > _MOST_PARAMETERS:
            raise BadInput(f"invalid parameters {parameters[:80]!r}", hint="such as 'loglvl=all'")
        try:
            await self._parts.workers.call(self._parts.libxl.set_parameters, parameters)
        except LibxlError as error:
            raise BadInput(
                f"Xen does not take {parameters[:80]!r}: {error.what}",
                hint="only some of its parameters can change while it runs",
            ) from error

    async def dt_overlay(self, overlay: bytes, do: OverlayVerb, reference: str | None) -> None:
        """Change the host's device tree, or give a domain what an overlay brought.

        Raises:
            BadInput: it is no compiled overlay; or a domain is named, or missing, against the verb.
            DomainNotFound, WrongState.
            HostProblem: not on this kind of host.
            LibxlError: Xen refuses it.
        """
        if not overlay.startswith(_DEVICE_TREE):
            raise BadInput(
                "this is no compiled device tree", hint="dtc -@ -O dtb -o FILE.dtbo FILE.dts makes one"
            )
        if (do is OverlayVerb.ATTACH) != (reference is not None):
            raise BadInput("a domain is named for 'attach', and for nothing else")
        call, libxl = self._parts.workers.call, self._parts.libxl
        domid = None if reference is None else (await self._parts.started(reference))[1]
        try:
            if domid is None:
                await call(libxl.dt_overlay, overlay, add=do is OverlayVerb.ADD)
            else:
                await call(libxl.dt_overlay_of_domain, domid, overlay)
        except HostProblem as error:
            raise HostProblem(error.what, hint="hosts with a device tree are Arm's") from error

    async def uptimes(self, references: Collection[str] = ()) -> list[Uptime]:
        """How long domains have been running, sorted by name, or the named ones in the order given.

        Raises:
            DomainNotFound: one that is named does not exist.
        """
        if references:
            infos = [await self._parts.get(reference) for reference in references]
        else:
            infos = await self._parts.listing.list()
        paths = [f"/vm/{info.uuid}/start_time" for info in infos]
        started = await self._parts.store.read_many(paths)
        return [
            Uptime(name=info.name, domid=info.domid, uuid=info.uuid, seconds=_seconds(info, text))
            for info, text in zip(infos, started, strict=True)
        ]


def _seconds(info: DomainInfo, started: bytes | None) -> int:
    if info.domid == DOM0:
        return int(float(Path("/proc/uptime").read_text().split()[0]))
    if info.domid is None:
        return 0
    # libxl writes "SECONDS.HUNDREDTHS" since the epoch (libxl_dm.c, libxl_create.c: start_time).
    text = (started or b"")[:20].partition(b".")[0]
    return max(0, int(time.time()) - int(text)) if text.isdigit() else 0
