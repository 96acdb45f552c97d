"""Managed configurations on disk: each change a revision, none lost, none made on top of one unseen."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from domus.domains.database import MIGRATIONS, Database
from domus.domains.definitions import Definitions
from domus.domains.kept import Kept, KeptDomains
from domus.model.config import DomainConfig
from domus.model.errors import AlreadyExists, Conflict, NotFound, WrongState
from domus.model.managed import Revision

WEB = DomainConfig(name="web", uuid="u1", kernel="sha256:" + "ab" * 32, ramdisk="/boot/initrd")


async def opened(path: Path) -> tuple[Database, Definitions]:
    database = await Database.open(path / "xend.sqlite")
    return database, await Definitions.open(database)


async def test_every_change_is_kept_with_who_made_it(tmp_path: Path) -> None:
    database, definitions = await opened(tmp_path)
    await definitions.put(WEB, who="uid:0", what="new")
    await definitions.put(replace(WEB, memory_mib=256), who="cn:laptop", what="edit")
    await definitions.put(replace(WEB, memory_mib=256), who="uid:0", what="nothing new")
    await database.close()

    database, definitions = await opened(tmp_path)
    assert [managed.config.memory_mib for managed in definitions] == [256]
    history = await definitions.history("u1")
    assert [(each.number, each.who, each.what) for each in history] == [
        (1, "uid:0", "new"),
        (2, "cn:laptop", "edit"),
    ]
    assert (await definitions.revision("u1", 1)).config == WEB
    with pytest.raises(NotFound):
        await definitions.revision("u1", 3)
    assert definitions.blobs() == {"ab" * 32}
    await definitions.forget("u1")
    assert (len(definitions), await definitions.history("u1")) == (0, [])
    await database.close()


async def test_a_change_on_top_of_one_unseen_is_refused(tmp_path: Path) -> None:
    database, definitions = await opened(tmp_path)
    await definitions.put(WEB, who="a", what="new")
    await definitions.change("u1", lambda _: replace(WEB, vcpus=2), who="a", what="set", base=1)
    with pytest.raises(Conflict, match=r"changed meanwhile: revision 2 by a \(set\)"):
        await definitions.change("u1", lambda _: replace(WEB, vcpus=3), who="b", what="set", base=1)
    assert definitions.require("u1").config.vcpus == 2
    with pytest.raises(WrongState, match="not managed by Xend lifecycle support"):
        definitions.require("u2")
    await database.close()


async def test_a_name_belongs_to_one_managed_domain(tmp_path: Path) -> None:
    database, definitions = await opened(tmp_path)
    await definitions.put(WEB, who="a", what="new")
    with pytest.raises(AlreadyExists, match="VM name 'web' already exists"):
        await definitions.put(replace(WEB, uuid="u2"), who="a", what="new")
    assert [managed.uuid for managed in definitions] == ["u1"]
    await database.close()


async def test_two_changes_at_once_both_last(tmp_path: Path) -> None:
    database, definitions = await opened(tmp_path)
    await definitions.put(WEB, who="a", what="new")

    async def add(field: str, value: int) -> None:
        await definitions.change(
            "u1", lambda known: replace(known or WEB, **{field: value}), who="a", what=field
        )

    await asyncio.gather(add("vcpus", 3), add("memory_mib", 300))
    config = definitions.require("u1").config
    assert (config.vcpus, config.memory_mib) == (3, 300)
    assert len(await definitions.history("u1")) == 3
    await database.close()


async def test_a_change_whose_caller_is_gone_is_whole(tmp_path: Path) -> None:
    database, definitions = await opened(tmp_path)
    asking = asyncio.create_task(definitions.put(WEB, who="a", what="new"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await definitions.change("u1", lambda _: replace(WEB, vcpus=2), who="a", what="set")
    in_memory = definitions.require("u1")
    await database.close()
    database, definitions = await opened(tmp_path)
    assert definitions.require("u1") == in_memory
    await database.close()


async def test_settings_of_the_start_that_stood_beside_the_configuration_are_in_it(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "xend.sqlite", isolation_level=None)
    connection.executescript(f"BEGIN;{''.join(MIGRATIONS[:3])};PRAGMA user_version=3;COMMIT")
    for uuid, start in (("u1", b'{"order":3,"delay_s":1.5,"after":["db","ns"]}'), ("u2", b"{}")):
        connection.execute("INSERT INTO managed VALUES (?, ?, 2, ?)", (uuid, uuid, start))
        for number in (1, 2):
            config = DomainConfig(name=uuid, uuid=uuid, autostart=number == 2)
            revision = Revision(number=number, time=0.0, who="a", what="new", config=config)
            row = (uuid, number, msgspec.json.encode(revision))
            connection.execute("INSERT INTO managed_revision VALUES (?, ?, ?)", row)
    connection.close()
    database, definitions = await opened(tmp_path)
    web = DomainConfig(
        name="u1", uuid="u1", autostart=True, start_order=3, start_delay_s=1.5, start_after=("db", "ns")
    )
    assert definitions.require("u1").config == web
    assert definitions.require("u2").config == DomainConfig(name="u2", uuid="u2", autostart=True)
    assert (await definitions.history("u1"))[0].config == DomainConfig(name="u1", uuid="u1")
    await database.close()


async def test_another_uuid_takes_the_history_along(tmp_path: Path) -> None:
    database, definitions = await opened(tmp_path)
    await definitions.put(WEB, who="a", what="new")
    await definitions.move("u1", "u2", who="xend", what="rename-restart")
    await definitions.move("u1", "u3", who="xend", what="rename-restart")
    assert [(each.uuid, each.config.uuid) for each in definitions] == [("u2", "u2")]
    assert [each.what for each in await definitions.history("u2")] == ["new", "rename-restart"]
    await database.close()


async def test_the_state_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "xend.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"BEGIN;{MIGRATIONS[0]};PRAGMA user_version=1;COMMIT")
    connection.execute('INSERT INTO kept VALUES (\'u1\', \'{"config":{"name":"web","uuid":"u1"}}\')')
    connection.close()
    database, definitions = await opened(tmp_path)
    kept = await KeptDomains.open(database)
    assert list(kept) == [Kept(config=DomainConfig(name="web", uuid="u1"))]
    await definitions.put(WEB, who="a", what="new")
    await database.close()
