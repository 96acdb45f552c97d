"""xend's state on disk: whole transactions, and no guess about what a newer version wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from domus.domains.database import Database
from domus.domains.kept import Kept, KeptDomains
from domus.model.config import DomainConfig
from domus.model.errors import HostProblem


async def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "xend.sqlite")

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO kept VALUES ('u', '{}')")
        raise ValueError

    with pytest.raises(ValueError):
        await database.write(work)
    query = "SELECT count(*) FROM kept"
    assert await database.read(lambda connection: connection.execute(query).fetchone()) == (0,)
    await database.close()
    await database.close()


async def test_the_state_of_a_newer_domus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xend.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(HostProblem, match="newer Domus"):
        await Database.open(path)


async def test_a_damaged_state_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "xend.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(HostProblem, match="cannot open xend's state"):
        await Database.open(path)


async def test_kept_domains_are_there_after_a_restart(tmp_path: Path) -> None:
    config = DomainConfig(name="web", uuid="u1", kernel="sha256:" + "ab" * 32, ramdisk="/boot/initrd")
    kept = Kept(config=config, domid=3, started=12.5)
    database = await Database.open(tmp_path / "xend.sqlite")
    domains = await KeptDomains.open(database)
    await domains.put(kept)
    await domains.put(Kept(config=DomainConfig(name="gone", uuid="u2")))
    await domains.forget("u2")
    await database.close()

    database = await Database.open(tmp_path / "xend.sqlite")
    domains = await KeptDomains.open(database)
    assert list(domains) == [kept]
    assert domains.running("u1", 3) == kept
    assert domains.running("u1", 4) is None
    assert domains.running("u1", None) is None
    assert domains.blobs() == {"ab" * 32}
    await database.close()
