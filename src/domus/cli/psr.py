"""`xm psr-*`: shares of caches and of memory bandwidth, in xl's words and tables."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from domus.model.errors import HostProblem
from domus.model.psr import Measured, Shared, ShareRequest

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.psr import CacheSharing, PsrHardware, PsrShare


def hardware(call: Call) -> int:
    """`xm psr-hwinfo [-m] [-a] [-b] [--json]`."""
    found = call.client.psr.hardware()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(found))
        return 0
    everything = not any(call.has(word) for word in ("cmt", "cat", "mba"))
    if everything or call.has("cmt"):
        _print_monitoring(found)
    if everything or call.has("cat"):
        print("Cache Allocation Technology (CAT):" if found.caches else "CAT is not supported")
        for cache in found.caches:
            _print_cache(cache)
    if everything or call.has("mba"):
        print("Memory Bandwidth Allocation (MBA):" if found.bandwidths else "MBA is not supported")
        for each in found.bandwidths:
            print(f"{'Socket ID':<16}: {each.socket}")
            print(f"{'Linear Mode':<16}: {'Enabled' if each.linear else 'Disabled'}")
            print(f"{'Maximum COS':<16}: {each.classes}")
            print(f"{'Maximum Throttling Value':<16}: {each.most}")
            print(f"{'Default Throttling Value':<16}: 0")
    return 0


def attach(call: Call) -> int:
    """`xm psr-cmt-attach DOM`."""
    call.client.psr.measure(call.words[0], on=True)
    return 0


def detach(call: Call) -> int:
    """`xm psr-cmt-detach DOM`."""
    call.client.psr.measure(call.words[0], on=False)
    return 0


def uses(call: Call) -> int:
    """`xm psr-cmt-show TYPE [DOM] [--json]`."""
    text, *domain = call.words
    try:
        kind = Measured(text)
    except ValueError:
        raise call.wrong(f"unknown type {text[:40]!r}", hint=f"one of {', '.join(Measured)}") from None
    found = call.client.psr.uses(kind, domain[0] if domain else None)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(found))
        return 0
    unit = "KB" if kind is Measured.CACHE else "KB/s"
    sockets = sorted({socket for each in found for socket in each.sockets})
    print(f"{'Name':<40} {'ID':>5}" + "".join(f"{f'Socket {socket}':>16}" for socket in sockets))
    for each in found:
        cells = "".join(f"{f'{each.sockets[socket]} {unit}':>16}" for socket in sockets)
        print(f"{each.name:<40} {each.domid:>5}{cells}")
    return 0


def set_cache(call: Call) -> int:
    """`xm psr-cat-set [-s SOCKETS] [-l LEVEL] [-c|-d] DOM CBM`."""
    domain, mask = call.words
    code, data = call.has("code"), call.has("data")
    if code and data:
        raise call.wrong("-c and -d exclude each other", hint="without them the mask is for both")
    if call.value("level", "3") == "2":
        if code or data:
            raise call.wrong("-c and -d are for the third-level cache")
        kind = Shared.L2
    else:
        kind = Shared.L3_CODE if code else Shared.L3_DATA if data else Shared.L3
    request = ShareRequest(of=kind, value=_number(call, mask), sockets=_sockets(call))
    call.client.psr.share(domain, request)
    return 0


def show_cache(call: Call) -> int:
    """`xm psr-cat-show [-l LEVEL] [DOM] [--json]`."""
    level = int(call.value("level", "3"))
    caches = [cache for cache in call.client.psr.hardware().caches if cache.level == level]
    if not caches:
        raise HostProblem(f"the host's CPUs cannot share out level {level} of their caches")
    kinds = [Shared.L2] if level == 2 else [Shared.L3]
    if any(cache.code_and_data for cache in caches):
        kinds = [Shared.L3_CODE, Shared.L3_DATA]
    rows = _rows(call, kinds)
    if rows is None:
        return 0
    for cache in caches:
        _print_cache(cache)
        print(f"{'ID':>5}{'NAME':>25}" + "".join(f"{title:>16}" for title in _titles(kinds)))
        for each, values in rows:
            shown = "".join(f"{value[cache.socket]:>#16x}" for value in values)
            print(f"{each.domid:>5}{each.name:>25}{shown}")
    return 0


def set_bandwidth(call: Call) -> int:
    """`xm psr-mba-set [-s SOCKETS] DOM THROTTLE`."""
    domain, throttle = call.words
    value = _number(call, throttle)
    call.client.psr.share(domain, ShareRequest(of=Shared.BANDWIDTH, value=value, sockets=_sockets(call)))
    return 0


def show_bandwidth(call: Call) -> int:
    """`xm psr-mba-show [DOM] [--json]`."""
    found = call.client.psr.hardware().bandwidths
    if not found:
        raise HostProblem("the host's CPUs cannot share out their memory bandwidth")
    rows = _rows(call, [Shared.BANDWIDTH])
    if rows is None:
        return 0
    for each in found:
        print(f"{'Socket ID':<16}: {each.socket}")
        print(f"{'Default THRTL':<16}: 0")
        print(f"{'ID':>5}{'NAME':>25}{'THRTL':>16}")
        for domain, values in rows:
            print(f"{domain.domid:>5}{domain.name:>25}{values[0][each.socket]:>#16x}")
    return 0


def _rows(call: Call, kinds: list[Shared]) -> list[tuple[PsrShare, list[dict[int, int]]]] | None:
    """A domain with its values of each kind; None: they were printed as JSON."""
    domain = call.words[0] if call.words else None
    found = {kind: call.client.psr.shares(kind, domain) for kind in kinds}
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(found))
        return None
    lists = found.values()
    return [(row[0], [each.sockets for each in row]) for row in zip(*lists, strict=True)]


def _titles(kinds: list[Shared]) -> list[str]:
    return ["CBM"] if len(kinds) == 1 else ["CBM (code)", "CBM (data)"]


def _print_monitoring(found: PsrHardware) -> None:
    print("Cache Monitoring Technology (CMT):")
    print(f"{'Enabled':<16}: {int(bool(found.measured))}")
    if found.measured:
        print(f"{'Total RMID':<16}: {found.domains_measured_at_once}")
        print("Supported monitor types:")
        for kind in found.measured:
            print(kind)


def _print_cache(cache: CacheSharing) -> None:
    print(f"{'Socket ID':<16}: {cache.socket}")
    if cache.cache_kib is not None:
        print(f"{f'L{cache.level} Cache':<16}: {cache.cache_kib}KB")
    if cache.level == 3:
        print(f"{'CDP Status':<16}: {'Enabled' if cache.code_and_data else 'Disabled'}")
    print(f"{'Maximum COS':<16}: {cache.classes}")
    print(f"{'CBM length':<16}: {cache.ways}")
    print(f"{'Default CBM':<16}: {(1 << cache.ways) - 1:#x}")


def _number(call: Call, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise call.wrong(f"{text[:40]!r} is no number", hint="0x begins a hexadecimal one") from None


def _sockets(call: Call) -> tuple[int, ...]:
    """What -s says, as in 0,2-3; empty: all."""
    chosen: set[int] = set()
    for part in filter(None, call.value("socket").split(",")):
        if (match := re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)) is None:
            raise call.wrong(f"invalid sockets {part[:40]!r}", hint="such as 0,2-3")
        chosen |= {*range(int(match[1]), int(match[2] or match[1]) + 1)}
    return tuple(sorted(chosen))
