"""libxl in worker threads: its calls block, and cannot be recalled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Calls at the same time. A creation holds one for seconds; a list must not wait for it.
_THREADS: Final = 32


class Workers:
    """Threads for calls that block; made when they are needed."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="worker")

    async def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread.

        Cancelled meanwhile, this returns (by CancelledError) only once the call has ended: what it does
        to Xen is then done, and can be undone.
        """
        return await self._ended(lambda: function(*args, **kwargs), lambda: None)

    async def call_abortably(
        self, stop: Callable[[], None], function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `call`; cancelled meanwhile, `stop` is called in a thread, which ends `function` soon."""
        return await self._ended(lambda: function(*args, **kwargs), stop)

    async def _ended(self, work: Callable[[], T], stop: Callable[[], None]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
                self._threads.submit(stop)
        if cancelled is not None:
            future.exception()  # seen
            raise cancelled
        return future.result()

    def close(self) -> None:
        """Let the threads end when their calls have."""
        self._threads.shutdown(wait=False)
