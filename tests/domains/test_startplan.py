"""Which domains wait for which when the host starts, and how many are built at once; xendomains' file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from domus.domains.autostart import Room, configurations
from domus.domains.startplan import circle, plan, told
from domus.domains.xendomains import XenDomains, destination, parse, read
from domus.model.config import DomainConfig
from domus.model.errors import BadInput


def test_those_that_need_not_wait_do_not() -> None:
    todo = plan([DomainConfig(name=name) for name in "abc"], ())
    assert [(step.name, step.waits_for) for step in todo.steps] == [(name, frozenset()) for name in "abc"]
    assert todo.refused == {}


def test_orders_and_dependencies_are_waited_for() -> None:
    todo = plan(
        [
            DomainConfig(name="web", start_after=("db", "dom0ish")),
            DomainConfig(name="db", start_order=5),
            DomainConfig(name="log", start_order=1, start_delay_s=2.0),
            DomainConfig(name="ns"),
        ],
        running=["dom0ish"],
    )
    waits = {step.name: set(step.waits_for) for step in todo.steps}
    assert waits == {"ns": set(), "log": {"ns"}, "db": {"ns", "log"}, "web": {"ns", "log", "db"}}
    assert [step.name for step in todo.steps] == ["ns", "log", "db", "web"]
    assert {step.name: step.needs for step in todo.steps}["web"] == {"db"}
    assert todo.steps[1].delay_s == 2.0


def test_what_waits_for_itself_or_for_nobody_is_refused() -> None:
    todo = plan(
        [
            DomainConfig(name="a", start_after=("b",)),
            DomainConfig(name="b", start_after=("a",)),
            DomainConfig(name="c", start_after=("a",)),
            DomainConfig(name="d", start_after=("nobody",)),
            DomainConfig(name="e"),
        ],
        (),
    )
    assert [step.name for step in todo.steps] == ["e"]
    assert set(todo.refused) == {"a", "b", "c", "d"}
    assert "starts after itself" in todo.refused["a"]
    assert todo.refused["d"] == "it starts after 'nobody', which is not started"


def test_a_circle_is_told_from_its_first_to_its_first() -> None:
    after = {"a": ("b", "x"), "b": ("c",), "c": ("a",), "d": ("a",)}
    names = circle(after)
    assert sorted(names) == ["a", "b", "c"]
    assert all(names[(place + 1) % 3] in after[name] for place, name in enumerate(names))
    assert told(("a", "b")) == "it starts after itself: a after b after a"
    assert circle({"a": ("b",), "b": ("x",)}) == ()


@pytest.mark.parametrize(("slots", "free", "most"), [(2, 1000, 2), (9, 250, 2), (9, 1000, 9), (9, 10, 1)])
async def test_as_many_at_once_as_there_is_room_for(slots: int, free: int, most: int) -> None:
    left, now, highest = free, 0, 0

    async def free_mib() -> int:
        return left

    room = Room(slots, free_mib)

    async def one() -> None:
        nonlocal now, highest
        async with room.for_one(100):
            now += 1
            highest = max(highest, now)
            await asyncio.sleep(0.01)
            now -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(one())
    assert highest == most
    assert now == 0


def test_the_file_of_xendomains_is_read_and_never_run(tmp_path: Path) -> None:
    text = (
        "# a comment\n"
        'XENDOMAINS_SYSRQ="s e i u o"\n'
        "XENDOMAINS_SAVE=\n"
        "export XENDOMAINS_AUTO='/srv/auto' # ours\n"
        "XENDOMAINS_AUTO_ONLY=false\n"
        'XENDOMAINS_SHUTDOWN_ALL=""\n'
        'XENDOMAINS_MIGRATE="$(touch /tmp/never)"\n'
        "XENDOMAINS_STOP_MAXWAIT=20\n"
        'XENDOMAINS_USLEEP="unterminated\n'
        "OTHER=1\n"
    )
    assert parse(text) == XenDomains(
        sysrq="s e i u o",
        save="",
        auto=Path("/srv/auto"),
        auto_only=False,
        shutdown_all="",
        migrate="$(touch /tmp/never)",
        stop_maxwait=20,
    )
    (tmp_path / "second").write_text("XENDOMAINS_RESTORE=false\n")
    assert read([tmp_path / "first", tmp_path / "second"]) == XenDomains(restore=False)
    assert read([tmp_path / "first"]) == XenDomains()


def test_the_auto_folder_is_read_in_any_language_through_links(tmp_path: Path) -> None:
    auto = tmp_path / "auto"
    assert configurations(auto) == ([], {})
    auto.mkdir()
    (tmp_path / "web.cfg").write_text('name = "web"\nmemory = 64\nkernel = "/boot/k"\n')
    (auto / "10-web").symlink_to(tmp_path / "web.cfg")
    (auto / "20-db.sxp").write_text("(vm (name db) (memory 32) (image (linux (kernel /boot/k))))")
    (auto / "30-bad").write_text("name = \n")
    (auto / ".hidden").write_text("name = \n")
    (auto / "gone").symlink_to(tmp_path / "nowhere")
    configs, problems = configurations(auto)
    assert [(config.name, config.memory_mib) for config in configs] == [("web", 64), ("db", 32)]
    assert list(problems) == [str(auto / "30-bad")]


@pytest.mark.parametrize(
    ("text", "address", "port", "live"),
    [
        ("rack2", "rack2", 8443, False),
        ("rack2 --live", "rack2", 8443, True),
        ("-l 10.0.0.2:9000", "10.0.0.2", 9000, True),
        ("[fd00::2]:9000", "fd00::2", 9000, False),
    ],
)
def test_where_domains_go_when_the_host_stops(text: str, address: str, port: int, live: bool) -> None:
    request = destination(text)
    assert (request.to.address, request.to.port, request.live) == (address, port, live)


@pytest.mark.parametrize("text", ["--live", "a b", "--ssl rack2", "-x"])
def test_a_destination_that_is_none_is_told(text: str) -> None:
    with pytest.raises(BadInput, match="names no host"):
        destination(text)
