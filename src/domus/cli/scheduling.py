"""`xm sched-credit`, `sched-credit2` and `sched-rtds`: parameters of schedulers, shown and set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, TypeVar

from domus.cli.numbers import integer
from domus.model.errors import NotFound, WrongState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from domus.cli.options import Call
    from domus.model.scheduling import DomainScheduling, PoolScheduling

V = TypeVar("V")

#: what is shown of a parameter that could not be read
_UNKNOWN: Final = -1


def credit(call: Call) -> int:
    """`xm sched-credit [-d DOM [-w N] [-c N]] [-s [-t MS] [-r US] [-m US]] [-p POOL]`."""

    def row(domain: DomainScheduling) -> str:
        weight, cap = _known(domain.weight), _known(domain.cap)
        return f"{domain.name:<32} {_id(domain):>5} {weight:>6} {cap:>4}"

    header = f"{'Name':<33} {'ID':>4} {'Weight':>6} {'Cap':>4}"
    return _weighted(call, "credit", header, row)


def credit2(call: Call) -> int:
    """`xm sched-credit2 [-d DOM [-w N] [-c N]] [-s [-r US]] [-p POOL]`."""

    def row(domain: DomainScheduling) -> str:
        return f"{domain.name:<32} {_id(domain):>5} {_known(domain.weight):>6}"

    return _weighted(call, "credit2", f"{'Name':<33} {'ID':>4} {'Weight':>6}", row)


def rtds(call: Call) -> int:
    """`xm sched-rtds [-d DOM [-v VCPU|all ...] [-p US] [-b US] [-e 0|1]] [-c POOL]`, in xl's columns."""
    _only_options(call)
    fields = {
        "period_us": _number(call, "period"),
        "budget_us": _number(call, "budget"),
        "extratime": _flag(call, "extratime"),
    }
    given = {name: value for name, value in fields.items() if value is not None}
    if given:
        if not call.has("domain"):
            raise call.wrong("No domain given.")
        _set_rtds(call, given)
        return 0
    _nothing_to_keep(call)
    pools = _pools(call, "rtds")
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(pools))
        return 0
    if call.has("domain"):
        domain = _of(call, pools)
        print(_rtds_header(vcpus=call.has("vcpuid")))
        _print_rtds(call, domain)
        return 0
    for pool in pools:
        print(f"Cpupool {pool.name}: sched=RTDS")
        print(_rtds_header(vcpus=call.has("vcpuid")))
        for domain in pool.domains:
            _print_rtds(call, domain)
    return 0


def _set_rtds(call: Call, given: dict[str, int | bool]) -> None:
    from domus.model.scheduling import SchedulingRequest

    name, persist = call.value("domain"), call.has("persist")
    if not call.has("vcpuid"):
        call.client.scheduling.set_domain(name, SchedulingRequest(scheduler="rtds", persist=persist, **given))  # type: ignore[arg-type]
        return
    import msgspec

    domain = _of(call, _pools(call, "rtds"))
    by_number = {vcpu.vcpu: vcpu for vcpu in domain.vcpus}
    vcpus = [msgspec.structs.replace(vcpu, **given) for vcpu in _chosen(call, by_number)]
    request = SchedulingRequest(scheduler="rtds", vcpus=tuple(vcpus), persist=persist)
    call.client.scheduling.set_domain(name, request)


def _chosen(call: Call, by_number: Mapping[int, V]) -> list[V]:
    wanted = call.values("vcpuid")
    if "all" in wanted:
        return list(by_number.values())
    numbers = [integer(call, text) for text in wanted]
    missing = [number for number in numbers if number not in by_number]
    if missing:
        raise call.wrong(f"'{call.value('domain')}' has no VCPU {missing[0]}")
    return [by_number[number] for number in numbers]


def _rtds_header(*, vcpus: bool) -> str:
    vcpu = f"{'VCPU':>4} " if vcpus else ""
    return f"{'Name':<33} {'ID':>4} {vcpu}{'Period':>9} {'Budget':>9} {'Extratime':>10}"


def _print_rtds(call: Call, domain: DomainScheduling) -> None:
    head = f"{domain.name:<33} {_id(domain):>4} "
    if call.has("vcpuid"):
        for vcpu in _chosen(call, {each.vcpu: each for each in domain.vcpus}):
            extra = "yes" if vcpu.extratime else "no"
            print(f"{head}{vcpu.vcpu:>4} {vcpu.period_us:>9} {vcpu.budget_us:>9} {extra:>10}")
        return
    extra = "yes" if domain.extratime else "no"
    print(f"{head}{_known(domain.period_us):>9} {_known(domain.budget_us):>9} {extra:>10}")


def _weighted(call: Call, scheduler: str, header: str, row: Callable[[DomainScheduling], str]) -> int:
    """What credit and credit2 have in common."""
    _only_options(call)
    if call.has("schedparam"):
        _nothing_to_keep(call)
        return _whole_pools(call, scheduler)
    for option in ("tslice_ms", "ratelimit_us", "migration_delay_us"):
        if call.has(option):
            raise call.wrong(f"--{option} is a parameter of cpupools", hint="add -s")
    weight, cap = _number(call, "weight"), _number(call, "cap")
    if weight is not None or cap is not None:
        if not call.has("domain"):
            raise call.wrong("No domain given.")
        from domus.model.scheduling import SchedulingRequest

        request = SchedulingRequest(scheduler=scheduler, weight=weight, cap=cap, persist=call.has("persist"))
        call.client.scheduling.set_domain(call.value("domain"), request)
        return 0
    _nothing_to_keep(call)
    pools = _pools(call, scheduler)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(pools))
        return 0
    domains: Iterable[DomainScheduling] = sorted(
        (domain for pool in pools for domain in pool.domains), key=lambda domain: domain.name
    )
    if call.has("domain"):
        domains = [_of(call, pools)]
    print(header)
    for domain in domains:
        print(row(domain))
    return 0


def _whole_pools(call: Call, scheduler: str) -> int:
    if call.has("domain"):
        raise call.wrong("-s is about cpupools, -d about a domain")
    fields = {
        "timeslice_ms": _number(call, "tslice_ms"),
        "ratelimit_us": _number(call, "ratelimit_us"),
        "migration_delay_us": _number(call, "migration_delay_us"),
    }
    pools = _pools(call, scheduler)
    if any(value is not None for value in fields.values()):
        from domus.model.scheduling import PoolSchedulingRequest

        if not call.has("cpupool") and len(pools) > 1:
            raise call.wrong("several cpupools have this scheduler", hint="choose one with -p POOL")
        request = PoolSchedulingRequest(scheduler=scheduler, **fields)
        call.client.scheduling.set_pool(str(pools[0].pool), request)
        return 0
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(pools))
        return 0
    for pool in pools:
        print(f"Cpupool {pool.name}: {pool_text(pool)}")
    return 0


def pool_text(pool: PoolScheduling) -> str:
    """The parameters of a cpupool, in xl's words."""
    words = []
    if pool.timeslice_ms is not None:
        words.append(f"tslice={pool.timeslice_ms}ms")
    if pool.ratelimit_us is not None:
        words.append(f"ratelimit={pool.ratelimit_us}us")
    if pool.migration_delay_us is not None:
        words.append(f"migration-delay={pool.migration_delay_us}us")
    return " ".join(words)


def _pools(call: Call, scheduler: str) -> list[PoolScheduling]:
    """The cpupools that have the scheduler, or the chosen one.

    Raises:
        NotFound: there is no such cpupool.
        WrongState: the scheduler is another one.
    """
    pools = call.client.scheduling.table()
    if call.has("cpupool"):
        wanted = call.value("cpupool")
        pools = [pool for pool in pools if wanted in (str(pool.pool), pool.name)]
        if not pools:
            raise NotFound(f"Pool '{wanted}' does not exist.")
    fitting = [pool for pool in pools if pool.scheduler == scheduler]
    if not fitting:
        raise WrongState(f"Xen is running with the {pools[0].scheduler} scheduler")
    return fitting


def _of(call: Call, pools: list[PoolScheduling]) -> DomainScheduling:
    """The domain of `-d`.

    Raises:
        UsageError: there is none of that name, id or uuid; xm exits with 1 here, not with 3.
        WrongState: it is in a cpupool of another scheduler.
    """
    wanted = call.value("domain")
    domains = [domain for pool in pools for domain in pool.domains]
    for keys in (
        [domain.name for domain in domains],
        [str(domain.domid) for domain in domains],
        [domain.uuid for domain in domains],
    ):
        if wanted in keys:
            return domains[keys.index(wanted)]
    if call.has("cpupool"):
        raise call.wrong(f"Domain '{wanted}' is not in cpupool {call.value('cpupool')}.")
    for pool in call.client.scheduling.table():
        if any(wanted in (domain.name, str(domain.domid), domain.uuid) for domain in pool.domains):
            raise WrongState(
                f"Xen is running with the {pool.scheduler} scheduler",
                hint=f"'{wanted}' is in cpupool {pool.name}",
            )
    raise call.wrong(f"Domain '{wanted}' does not exist.")


def _nothing_to_keep(call: Call) -> None:
    if call.has("persist"):
        raise call.wrong("--persist keeps what is set for a domain", hint="add -d DOM and what to set")


def _only_options(call: Call) -> None:
    if call.words:
        raise call.wrong(f"'xm {call.command.name}' takes options only", hint=f"-d {call.words[0]}")


def _number(call: Call, option: str) -> int | None:
    return integer(call, call.value(option)) if call.has(option) else None


def _flag(call: Call, option: str) -> bool | None:
    if not call.has(option):
        return None
    number = integer(call, call.value(option))
    if number not in (0, 1):
        raise call.wrong(f"--{option} is 0 or 1")
    return bool(number)


def _known(value: int | None) -> int:
    return _UNKNOWN if value is None else value


def _id(domain: DomainScheduling) -> str:
    return "" if domain.domid is None else str(domain.domid)
