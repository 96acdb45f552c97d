"""The helper module xen.util.ip that xm put into every file: addresses of this host, arithmetic on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domus.config.evaluator import interfaces
from domus.config.evaluator.modules import import_module
from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Value

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_QUAD: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


def number_of(address: Value) -> int:
    """The number of an IPv4 address."""
    match = _QUAD.fullmatch(address) if isinstance(address, str) else None
    if match is None or any(int(part) > 255 for part in match.groups()):
        raise ValueError(f"{str(address)[:40]!r} is not an IPv4 address")
    one, two, three, four = map(int, match.groups())
    return one << 24 | two << 16 | three << 8 | four


def quad_of(number: Value) -> str:
    """The IPv4 address of a number."""
    if not isinstance(number, int) or not 0 <= number < 1 << 32:
        raise ValueError("this is not the number of an IPv4 address")
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def ip_members() -> dict[str, Value]:
    """What xm's star import of xen.util.ip brought."""

    def add_offset(machine: Machine, address: Value, offset: int) -> str:
        return quad_of(number_of(address) + int(offset))

    def check_subnet(machine: Machine, address: Value, network: Value, mask: Value) -> int:
        return int(number_of(address) & number_of(mask) == number_of(network) & number_of(mask))

    def default_route(machine: Machine) -> list[str | None]:
        route = interfaces.default_route()
        return [None, None] if route is None else [*route]

    def of_device(request: int) -> Callable[..., str | None]:
        def body(machine: Machine, dev: Value = "defaultroute") -> str | None:
            if dev == "defaultroute":
                dev = default_route(machine)[1]
            return interfaces.of_device(dev, request) if isinstance(dev, str) else None

        return body

    def gateway(machine: Machine, dev: Value = "defaultroute") -> str | None:
        address, device = default_route(machine)
        return address if dev in ("defaultroute", device) else None

    return functions(
        inet_aton=lambda machine, address: number_of(address),
        inet_ntoa=lambda machine, number: quad_of(number),
        add_offset_to_ip=add_offset,
        check_subnet=check_subnet,
        get_defaultroute=default_route,
        get_current_ipaddr=of_device(interfaces.ADDRESS),
        get_current_ipmask=of_device(interfaces.NETMASK),
        get_current_ipgw=gateway,
    )


def ip_module(machine: Machine) -> Facade:
    """`xen.util.ip`."""
    return Facade("xen.util.ip", ip_members())


def xen_module(machine: Machine) -> Facade:
    """`xen` and `xen.util`."""
    inner = import_module(machine, "xen.util.ip")
    return Facade("xen", {"util": Facade("xen.util", {"ip": inner}), "ip": inner})
