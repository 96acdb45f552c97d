"""Claims about the XenStore client, checked in domain 0 against the real xenstored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domus.model.errors import BadInput, XenStoreError
from domus.xen.xenstore import Access, ConnectionState, Permission, Transaction, XenStore

HOME = "/domus-test"
_where = ""


def begin(where: str) -> None:
    """Say where XenStore is: its socket or the kernel's device."""
    global _where
    _where = where


@asynccontextmanager
async def connected() -> AsyncIterator[XenStore]:
    async with await XenStore.connect(_where) as store:
        await store.remove(HOME)
        try:
            yield store
        finally:
            await store.remove(HOME)


async def check_domain_0_has_its_name() -> None:
    async with connected() as store:
        assert await store.read_text("/local/domain/0/name") == "Domain-0"
        assert await store.domain_path(7) == "/local/domain/7"
        assert await store.is_introduced(0)
        assert not await store.is_introduced(7777)


async def check_a_value_of_any_bytes_is_read_back() -> None:
    async with connected() as store:
        for value in (b"", b"\0", bytes(range(256)), b"x" * 3000):
            await store.write(f"{HOME}/value", value)
            assert await store.read(f"{HOME}/value") == value


async def check_absent_nodes_are_none_and_removing_them_is_fine() -> None:
    async with connected() as store:
        assert await store.read(f"{HOME}/a/b") is None
        assert await store.list(f"{HOME}/a/b") is None
        await store.remove(f"{HOME}/a/b")


async def check_mkdir_keeps_what_is_there() -> None:
    async with connected() as store:
        await store.write(f"{HOME}/a", "kept")
        await store.mkdir(f"{HOME}/a")
        await store.mkdir(f"{HOME}/b")
        assert await store.read_many([f"{HOME}/a", f"{HOME}/b", f"{HOME}/c"]) == [b"kept", b"", None]


async def check_permissions_are_read_as_they_were_set() -> None:
    wanted = [Permission(0, Access.NONE), Permission(3, Access.READ), Permission(4, Access.BOTH)]
    async with connected() as store:
        await store.write(f"{HOME}/a", "")
        await store.set_permissions(f"{HOME}/a", wanted)
        assert await store.permissions(f"{HOME}/a") == wanted


async def check_a_list_longer_than_a_payload_comes_whole() -> None:
    children = [f"a-child-with-quite-a-long-name-{number:04}" for number in range(400)]
    async with connected() as store:
        await asyncio.gather(*(store.mkdir(f"{HOME}/many/{child}") for child in children))
        listed = await store.list(f"{HOME}/many")
        assert listed is not None
        assert sorted(listed) == children
        # The exact sizes at which a list stops to fit into one reply.
        for length in range(120, 130):
            await store.remove(f"{HOME}/edge")
            names = [f"{number:031}" for number in range(length)]
            await asyncio.gather(*(store.mkdir(f"{HOME}/edge/{name}") for name in names))
            assert sorted(await store.list(f"{HOME}/edge") or []) == names, length


async def check_transactions_of_two_clients_lose_no_update() -> None:
    async def add_one(tx: Transaction) -> None:
        await tx.write(f"{HOME}/n", str(int(await tx.read(f"{HOME}/n") or 0) + 1))

    async with connected() as one, await XenStore.connect(_where) as two:
        await asyncio.gather(*(store.transaction(add_one) for store in (one, two) for _ in range(10)))
        assert await one.read(f"{HOME}/n") == b"20"


async def check_a_transaction_may_remove_what_another_client_just_removed_a_part_of() -> None:
    async with connected() as one, await XenStore.connect(_where) as two:
        await asyncio.gather(*(one.write(f"{HOME}/tree/{leaf}", "x") for leaf in ("a/b", "c")))
        runs = 0

        async def body(tx: Transaction) -> None:
            nonlocal runs
            runs += 1
            await tx.list(f"{HOME}/tree")
            if runs == 1:
                await two.remove(f"{HOME}/tree/a")
            await tx.remove(f"{HOME}/tree")  # EIO, the first time

        await one.transaction(body)
        assert runs == 2
        assert await one.read(f"{HOME}/tree") is None


async def check_a_transaction_is_invisible_until_its_end_and_gone_when_it_fails() -> None:
    async with connected() as store:

        async def body(tx: Transaction) -> None:
            await tx.write(f"{HOME}/a", "x")
            assert await tx.read(f"{HOME}/a") == await store.read(f"{HOME}/a", tx=tx) == b"x"
            assert await store.read(f"{HOME}/a") is None
            raise LookupError

        try:
            await store.transaction(body)
        except LookupError:
            pass
        assert await store.read(f"{HOME}/a") is None


async def check_a_watch_fires_at_its_start_and_for_everything_below() -> None:
    async with connected() as store, store.watch(f"{HOME}/w") as watch:
        assert await watch.changes() == {f"{HOME}/w"}
        await store.write(f"{HOME}/w/a/b", "1")
        assert await anext(watch) == f"{HOME}/w/a/b"
        await store.remove(f"{HOME}/w")
        assert f"{HOME}/w" in await watch.changes()
        await store.write(f"{HOME}/elsewhere", "1")
        await store.read("/local/domain/0/name")
        assert not watch.take()


async def check_events_of_domains_can_be_watched() -> None:
    async with connected() as store:
        for event in ("@introduceDomain", "@releaseDomain"):
            async with store.watch(event) as watch:
                assert await watch.changes() == {event}


async def check_resetting_watches_keeps_ours() -> None:
    async with connected() as store, store.watch(f"{HOME}/w") as watch:
        await watch.changes()
        try:
            await store.reset_watches()
        except XenStoreError as error:
            assert error.errno_name == "ENOSYS", error  # not in every xenstored
            return
        assert await watch.changes() == {f"{HOME}/w"}


async def check_cancelled_requests_leave_the_connection_whole() -> None:
    async with connected() as store:
        for _ in range(20):
            reads = [asyncio.create_task(store.read("/local/domain/0/name")) for _ in range(10)]
            starts = [asyncio.create_task(store.transaction(_nothing)) for _ in range(3)]
            await asyncio.sleep(0)
            for task in reads[::2] + starts:
                task.cancel()
            got = await asyncio.gather(*reads, return_exceptions=True)
            assert got[1::2] == [b"Domain-0"] * 5
            await asyncio.gather(*starts, return_exceptions=True)
        assert store.state is ConnectionState.CONNECTED


async def check_what_is_too_long_is_refused_before_it_costs_the_connection() -> None:
    async with connected() as store:
        try:
            await store.write(f"{HOME}/a", b"x" * 4096)
        except BadInput:
            pass
        else:
            raise AssertionError("it was sent")
        assert await store.read_text("/local/domain/0/name") == "Domain-0"


async def check_a_refusal_names_its_errno() -> None:
    async with connected() as store:
        try:
            await store.set_target(7777, 7778)
        except XenStoreError as error:
            assert error.errno_name in ("ENOENT", "EINVAL"), error
        else:
            raise AssertionError("it was not refused")


async def check_xenstored_lists_its_commands() -> None:
    async with connected() as store:
        assert "log" in await store.control("help")


async def _nothing(tx: Transaction) -> None:
    await tx.read("/local/domain/0/name")
