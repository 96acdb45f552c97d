"""QEMU's control socket, for code that is not asynchronous: connect, say some commands, leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import QMPClient
from qemu.qmp.error import QMPError

from domus.model.errors import HostProblem

T = TypeVar("T")
Say = Callable[..., Awaitable[Any]]


def converse(socket: Path, body: Callable[[Say], Awaitable[T]], *, within: float = 30.0) -> T:
    """Run `body` with a function that says one QMP command and returns its answer.

    Raises:
        HostProblem: QEMU does not answer, or refuses a command.
    """

    async def conversation() -> T:
        client = QMPClient("domus-lab")
        async with asyncio.timeout(within):
            await client.connect(str(socket))
            try:

                async def say(command: str, **arguments: Any) -> Any:
                    named = {key.replace("_", "-"): value for key, value in arguments.items()}
                    return await client.execute(command, named)

                return await body(say)
            finally:
                await _leave(client)

    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # what matters comes as an error
    try:
        return asyncio.run(conversation())
    except TimeoutError:
        raise HostProblem(f"QEMU did not answer within {within:g} s", where=str(socket)) from None
    except (QMPError, OSError) as error:
        raise HostProblem(f"QEMU: {error}", where=str(socket)) from error


async def _leave(client: QMPClient) -> None:
    try:
        await client.disconnect()
    except (QMPError, EOFError, OSError):
        pass  # QEMU ended first: that was the purpose of the last command
