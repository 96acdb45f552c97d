"""What can be done with nodes, inside a transaction or outside of one."""

from __future__ import annotations

import builtins
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from domus.model.errors import XenStoreError
from domus.xen.xenstore import wire
from domus.xen.xenstore.paths import check_path, check_watchable
from domus.xen.xenstore.permissions import Permission, parse_permissions, permissions_payload
from domus.xen.xenstore.wire import Operation

if TYPE_CHECKING:
    import asyncio

    from domus.xen.xenstore.transaction import Transaction

#: how often a long list of children is begun anew because it changed while it was read
_LIST_ATTEMPTS: Final = 20


class Nodes(ABC):
    """The operations on nodes. `tx` makes one a part of that transaction.

    All raise BadInput for a path that XenStore does not take, XenStoreError when xenstored refuses,
    and Unreachable or OutcomeUnknown when the connection is lost.
    """

    @abstractmethod
    def _ask(
        self, operation: Operation, payload: bytes, subject: str, tx: Transaction | None
    ) -> asyncio.Future[bytes]:
        """Send a request; the future is the reply's payload."""

    async def read(self, path: str, *, tx: Transaction | None = None) -> bytes | None:
        """The value of a node; None when there is no such node."""
        return await _unless_absent(self._ask(Operation.READ, wire.strings(check_path(path)), path, tx))

    async def read_text(self, path: str, *, limit: int = 4096, tx: Transaction | None = None) -> str | None:
        """The value of a node that somebody else may have written, as text that is safe to show.

        Args:
            limit: bytes; a longer value is cut there.

        Returns:
            None when there is no such node. What is not UTF-8, and every control or direction-changing
            character, is U+FFFD.
        """
        value = await self.read(path, tx=tx)
        return None if value is None else printable(value[:limit])

    async def read_many(
        self, paths: Sequence[str], *, tx: Transaction | None = None
    ) -> builtins.list[bytes | None]:
        """The values of many nodes in one round trip, in the order of `paths`; None: no such node.

        Without a transaction they need not be from one moment.
        """
        requests = [wire.strings(check_path(path)) for path in paths]
        replies = [
            self._ask(Operation.READ, request, path, tx)
            for path, request in zip(paths, requests, strict=True)
        ]
        try:
            return [await _unless_absent(reply) for reply in replies]
        finally:
            for reply in replies:
                if not reply.cancel() and not reply.cancelled():
                    reply.exception()  # seen, so that asyncio does not complain about it

    async def write(self, path: str, value: str | bytes, *, tx: Transaction | None = None) -> None:
        """Set the value of a node; it and absent parents are made."""
        raw = value.encode() if isinstance(value, str) else value
        await self._ask(Operation.WRITE, wire.path_and_value(check_path(path), raw), path, tx)

    async def mkdir(self, path: str, *, tx: Transaction | None = None) -> None:
        """Make a node with an empty value; one that exists stays as it is."""
        await self._ask(Operation.MKDIR, wire.strings(check_path(path)), path, tx)

    async def remove(self, path: str, *, tx: Transaction | None = None) -> None:
        """Remove a node and all below it; an absent one is fine."""
        await _unless_absent(self._ask(Operation.RM, wire.strings(check_path(path)), path, tx))

    async def list(self, path: str, *, tx: Transaction | None = None) -> builtins.list[str] | None:
        """The names of a node's children; None when there is no such node."""
        try:
            reply = self._ask(Operation.DIRECTORY, wire.strings(check_path(path)), path, tx)
            children = await _unless_absent(reply)
        except XenStoreError as error:
            if error.errno_name != "E2BIG":
                raise
            return await self._list_in_parts(path, tx)
        return None if children is None else wire.names(wire.split_strings(children))

    async def permissions(self, path: str, *, tx: Transaction | None = None) -> builtins.list[Permission]:
        """Who may do what with a node, its owner first."""
        request = wire.strings(check_watchable(path))
        return parse_permissions(await self._ask(Operation.GET_PERMS, request, path, tx))

    async def set_permissions(
        self, path: str, permissions: Sequence[Permission], *, tx: Transaction | None = None
    ) -> None:
        """Set who may do what with a node; the first entry names its owner."""
        payload = permissions_payload(check_watchable(path), permissions)
        await self._ask(Operation.SET_PERMS, payload, path, tx)

    async def _list_in_parts(self, path: str, tx: Transaction | None) -> builtins.list[str] | None:
        for _ in range(_LIST_ATTEMPTS):
            children: list[bytes] = []
            offset, generation = 0, ""
            while True:
                request = wire.strings(path, str(offset))
                payload = await _unless_absent(self._ask(Operation.DIRECTORY_PART, request, path, tx))
                if payload is None:
                    return None
                part = wire.directory_part(payload)
                if generation and part.generation != generation:
                    break  # it changed: what we have does not fit together
                generation = part.generation
                children += part.children
                if part.last:
                    return wire.names(children)
                offset += part.size
        raise XenStoreError("the children of this node change too fast", where=path, errno_name="EAGAIN")


def printable(raw: bytes) -> str:
    """Bytes of somebody else's as text that can be shown: odd characters become U+FFFD."""
    text = raw.decode("utf-8", errors="replace")
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    # Separators such as the no-break space are harmless; "Cc", "Cf" and their kin are not.
    return "\ufffd" if unicodedata.category(character)[0] == "C" else character


async def _unless_absent(reply: asyncio.Future[bytes]) -> bytes | None:
    try:
        return await reply
    except XenStoreError as error:
        if error.errno_name == "ENOENT":
            return None
        raise
