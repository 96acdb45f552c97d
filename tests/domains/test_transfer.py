"""What an import would do: nothing that clashes unless it is told to, and all or nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from domus.domains.database import Database
from domus.domains.definitions import Definitions
from domus.domains.transfer import check, make_plan, of_version_2
from domus.model.config import DomainConfig
from domus.model.cpupool import CpupoolConfig
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import AlreadyExists, BadInput, HostProblem, WrongState
from domus.model.managed import Clash, Export, ExportedDomain, Revision, StartSettings

U1, U2 = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


def exported(name: str, uuid: str, *numbers: int) -> ExportedDomain:
    config = DomainConfig(name=name, uuid=uuid)
    history = (Revision(number=number, time=1.0, who="a", what="new", config=config) for number in numbers)
    return ExportedDomain(uuid=uuid, history=tuple(history))


def with_rules(*rules: str) -> ExportedDomain:
    before = exported("web", U1, 1, 2)
    first, last = before.history
    return replace(before, history=(replace(first, config=replace(first.config, firewall=rules)), last))


def here(name: str, uuid: str, domid: int | None = None, *, managed: bool = True) -> DomainInfo:
    state = RunState.HALTED if domid is None else RunState.RUNNING
    return DomainInfo(name=name, uuid=uuid, domid=domid, state=state, managed=managed)


EXPORT = Export(domains=(exported("web", U1, 1, 2), exported("db", U2, 1)))


def test_what_is_not_there_is_added() -> None:
    check(EXPORT)
    plan = make_plan(EXPORT, Clash.REFUSE, [])
    assert ([each.name for each in plan.add], plan.forget) == (["web", "db"], [])


def test_a_clash_is_refused_left_out_or_replaced() -> None:
    domains = [here("web", U2)]  # the name of one, and the uuid of the other
    with pytest.raises(AlreadyExists, match="VM names 'web', 'db' already exist"):
        make_plan(EXPORT, Clash.REFUSE, domains)
    plan = make_plan(EXPORT, Clash.SKIP, domains)
    assert (plan.add, plan.skipped) == ([], ["web", "db"])
    plan = make_plan(EXPORT, Clash.REPLACE, domains)
    assert (plan.forget, plan.replaced, len(plan.add)) == ([U2, U2], ["web", "db"], 2)


def test_cpupools_come_along() -> None:
    export = Export(cpupools=(CpupoolConfig(name="batch"), CpupoolConfig(name="web")))
    with pytest.raises(AlreadyExists, match="VM name 'cpupool batch' already exists"):
        make_plan(export, Clash.REFUSE, [], ["batch"])
    assert make_plan(export, Clash.SKIP, [], ["batch"]).names() == ["cpupool web"]
    plan = make_plan(export, Clash.REPLACE, [], ["batch"])
    assert (plan.names(), plan.replaced) == (["cpupool batch", "cpupool web"], ["cpupool batch"])


def test_the_settings_of_version_1_are_in_the_configuration() -> None:
    old = replace(exported("web", U1, 1, 2), start=StartSettings(order=2, delay_s=1.5, after=("db",)))
    first, last = of_version_2(old).history
    assert first.config.start_order == 0
    assert (last.config.start_order, last.config.start_delay_s, last.config.start_after) == (2, 1.5, ("db",))
    assert of_version_2(exported("web", U1, 1)) == exported("web", U1, 1)


def test_a_running_domain_is_replaced_by_none_but_itself() -> None:
    assert make_plan(EXPORT, Clash.REPLACE, [here("web", U1, 7)]).replaced == ["web"]
    with pytest.raises(WrongState, match="domain 'www' runs"):
        make_plan(EXPORT, Clash.REPLACE, [here("www", U1, 7)])
    with pytest.raises(AlreadyExists, match="VM name 'web' already exists as domain 7"):
        make_plan(EXPORT, Clash.REPLACE, [here("web", U1, 7, managed=False)])


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (Export(format="other"), "no export of managed domains"),
        (Export(version=3), "newer Domus"),
        (Export(domains=(exported("web", U1),)), "without a configuration"),
        (Export(domains=(exported("web", U1, 2, 1),)), "not in order"),
        (Export(domains=(exported("a/b", U1, 1),)), "invalid domain name"),
        (Export(domains=(exported("web", "u1", 1),)), "invalid uuid"),
        (Export(domains=(exported("web", U1, 1), exported("web", U2, 1))), "'web' is there twice"),
        (Export(cpupools=(CpupoolConfig(name="a/b"),)), "Invalid Pool Name"),
        (Export(cpupools=(CpupoolConfig(name="a"), CpupoolConfig(name="a"))), "'a' is there twice"),
        (Export(domains=(exported("web", U1, 1), exported("www", U1, 1))), "is there twice"),
        (
            Export(domains=(with_rules("deny in", "let in"),)),
            r"firewall of 'web', revision 1: .*'let in'",
        ),
    ],
)
def test_what_no_export_has_is_refused(export: Export, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check(export)


async def test_an_import_that_fails_keeps_everything_as_it_was(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "xend.sqlite")
    definitions = await Definitions.open(database)
    await definitions.replace_all([], [exported("web", U1, 1)])
    with pytest.raises((HostProblem, sqlite3.Error)):
        await definitions.replace_all([U1], [exported("new", U2, 1), exported("new", "u3", 1)])
    assert [managed.name for managed in definitions] == ["web"]
    again = await Definitions.open(database)
    assert [managed.name for managed in again] == ["web"]
    assert len(await again.history(U1)) == 1
    await database.close()
