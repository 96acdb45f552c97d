"""`xm migrate`: a domain goes to another host; `--cancel` and `--decide` are about one that is on its way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.carry_out import carry_out
from domus.cli.numbers import integer
from domus.cli.privileged import DOM0_NAMES
from domus.model.errors import BadInput, WrongState, from_problem
from domus.model.migration import Copying, MigrateRequest, Move, Partner, Side
from domus.model.places import TLS_PORT

if TYPE_CHECKING:
    from domus.cli.options import Call

_MEBIBYTE: Final = 1 << 20

#: what only a domain that runs meanwhile has
_OF_LIVE_MOVES: Final = ("max-iterations", "downtime-limit")


def run(call: Call) -> int:
    """`xm migrate [-l] DOM HOST`: silent, and over when the domain runs there."""
    if call.has("list"):
        return _list(call)
    if call.has("cancel") or call.has("decide"):
        return _about_one(call)
    if len(call.words) != 2:
        raise call.wrong("Invalid number of arguments")
    name, host = call.words
    if name in DOM0_NAMES:
        raise call.wrong(f"Cannot migrate privileged domain {name}")
    if call.has("json") and not call.has("dry-run"):
        raise call.wrong("--json is for --dry-run and --list")
    request = MigrateRequest(
        to=partner(host, number(call, "port", most=65535)),
        live=call.has("live"),
        bandwidth=_bandwidth(call),
        assume_shared=call.has("assume-shared"),
        copy_storage=Copying(call.value("copy-storage")) if call.has("copy-storage") else None,
        max_iterations=number(call, "max-iterations", least=1) if call.has("max-iterations") else 0,
        downtime_ms=number(call, "downtime-limit", least=1) if call.has("downtime-limit") else 0,
    )
    if request.assume_shared and request.copy_storage:
        raise call.wrong("--assume-shared or --copy-storage, not both")
    _warn_of_no_effect(call, live=request.live)
    client = call.client
    if call.has("change_home_server") and not client.domain(name).managed:
        raise WrongState("Domain is not a managed domain")
    if call.has("dry-run"):
        return _check(call, name, request)
    if request.live:
        for remark in client.migration.check(name, request).remarks:
            print(f"Note: {remark}", file=sys.stderr)
    carry_out(
        client,
        lambda: client.migration.migrate(name, request),
        undone=f"domain {name} runs on here, and nothing of it is left on {host}",
    )
    if request.copy_storage:
        _tell_of_old_disks(client.migration.list(), name)
    return 0


def _warn_of_no_effect(call: Call, *, live: bool) -> None:
    if call.has("node"):
        print("Warning: --node has no effect: the other host places the domain itself", file=sys.stderr)
    for option in _OF_LIVE_MOVES:
        if call.has(option) and not live:
            print(f"Warning: --{option} has no effect without --live", file=sys.stderr)


def _tell_of_old_disks(moves: list[Move], name: str) -> None:
    copied = next((move.copied for move in reversed(moves) if name in (move.domain, move.uuid)), ())
    if copied:
        print(f"Note: nothing uses its old disks here any more: {', '.join(copied)}", file=sys.stderr)


def partner(host: str, port: int) -> Partner:
    """Where another host's xend is, as its neighbours reach it.

    Args:
        host: a lab host, one known from `xm host add`, or a name or address that the sending host can reach.
        port: 0: the usual one, or the known one.
    """
    from domus.client.hosts import Hosts
    from domus.lab import identity, record

    hosts, plain = Hosts(), host.removeprefix("lab:")
    if host in hosts.names():
        known = hosts.get(host)
        return Partner(
            name=host, address=known.address, port=port or known.port, server_name=known.server_name or ""
        )
    if record.running(plain):
        address = identity.address(record.read(plain).number)
        return Partner(name=plain, address=address, port=port or TLS_PORT, server_name=plain)
    return Partner(name=host, address=host, port=port or TLS_PORT)


def _bandwidth(call: Call) -> int:
    if call.has("bandwidth"):
        return number(call, "bandwidth", least=1) * _MEBIBYTE
    return number(call, "resource") * 1_000_000 // 8  # 0: no limit, as xm had it


def number(call: Call, option: str, *, least: int = 0, most: int = 1 << 31) -> int:
    """The value of an option, between two bounds; the lower one where it is not given."""
    given = integer(call, call.value(option, str(least)))
    if not least <= given <= most:
        raise call.wrong(f"option --{option} takes a number from {least} to {most}, not {given}")
    return given


def _check(call: Call, name: str, request: MigrateRequest) -> int:
    found = call.client.migration.check(name, request)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(found))
    else:
        for remark in found.remarks:
            print(f"Note: {remark}")
        for disk in found.copied:
            if not disk.below:
                how = "only what differs there" if disk.base else "as a whole"
                print(f"{disk.vdev} is copied to {disk.target}, {how}: {disk.size_bytes >> 20} MiB")
        for problem in found.problems:
            print(from_problem(problem).for_user())
        if not found.problems:
            print(f"{name} can move to {request.to.name}")
    return 1 if found.problems else 0


def _about_one(call: Call) -> int:
    if len(call.words) != 1:
        raise call.wrong("Invalid number of arguments")
    (name,) = call.words
    if call.has("decide"):
        if call.has("cancel"):
            raise BadInput("--cancel or --decide, not both")
        move = call.client.migration.decide(name, Side(call.value("decide")))
        print(f"{name}: {_STAGES[move.stage]} {move.partner.name}")
        return 0
    from domus.cli.progress import Progress
    from domus.model.errors import Cancelled

    operation = call.client.migration.cancel(name)
    try:
        with Progress() as progress:
            call.client.finish(operation, on_change=progress.show)
    except Cancelled:
        return 0
    raise WrongState(f"it was too late: '{name}' has moved")


_STAGES: Final = {
    "sending": "is sent to",
    "handing-over": "waits for the word of",
    "sent": "went to",
    "kept": "stayed here, and did not go to",
    "receiving": "arrives from",
    "ready": "waits for the word of",
    "taken": "came from",
    "refused": "stayed with",
}


def _list(call: Call) -> int:
    if call.words:
        raise call.wrong("Invalid number of arguments")
    moves = call.client.migration.list()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(moves))
        return 0
    for move in moves:
        print(_line(move))
    return 0


def _line(move: Move) -> str:
    import time

    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(move.changed))
    told = f" ({move.told})" if move.told and not move.settled else ""
    return f"{when} {move.domain} {_STAGES[move.stage]} {move.partner.name}{told}"
