"""Which domain a reference means when several could be meant."""

from __future__ import annotations

from domus.domains.parts import find, halted
from domus.model.config import DomainConfig
from domus.model.domain import DomainInfo, RunState
from domus.model.managed import ManagedDomain, Revision

U1, U2 = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


def running(name: str, domid: int, uuid: str = U1, *, dying: bool = False) -> DomainInfo:
    state = RunState.DYING if dying else RunState.RUNNING
    return DomainInfo(name=name, domid=domid, uuid=uuid, state=state, dying=dying)


def managed(name: str, uuid: str = U2) -> DomainInfo:
    config = DomainConfig(name=name, uuid=uuid, memory_mib=64, vcpus=2, maxvcpus=4)
    revision = Revision(number=1, time=0.0, who="a", what="new", config=config)
    return halted(ManagedDomain(uuid=uuid, revision=revision))


def test_a_name_wins_over_an_id_and_a_running_domain_over_one_that_is_not() -> None:
    infos = [managed("web"), running("web", 7), running("db", 3, U2), managed("3")]
    assert find("web", infos) == infos[1]
    assert find("3", infos) == infos[3]
    assert find("7", infos) == infos[1]
    assert find(U2, infos) == infos[2]
    assert find(U2.replace("-", ""), infos[:2]) == infos[0]
    assert find("nobody", infos) is None


def test_what_is_left_of_a_destroyed_domain_does_not_hide_the_managed_one() -> None:
    infos = [running("web", 7, U2, dying=True), managed("web")]
    assert find("web", infos) == infos[1]
    assert find(U2, infos) == infos[1]
    assert find("7", infos) == infos[0]


def test_a_halted_domain_shows_what_its_configuration_says() -> None:
    info = managed("web")
    assert (info.domid, info.state, info.managed) == (None, RunState.HALTED, True)
    assert (info.shown_memory_mib, info.max_vcpus, info.state_letters) == (64, 4, " " * 10)
