"""`xm lab image`: what lab hosts are made from, built once and kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.lab.hypervisor import Built
    from domus.lab.image import Image


def build(call: Call) -> int:
    """Whatever is missing."""
    from domus.lab import hypervisor, image
    from domus.lab.progress import terminal
    from domus.lab.record import Hypervisor, Suite, usual_suite

    full = call.value("hypervisor") == Hypervisor.FULL
    suite = Suite(call.value("suite", usual_suite()))
    if full:
        hypervisor.check_programs()  # before minutes are spent on the image
    with terminal() as report:
        base = image.wanted(report, suite)
        made: list[Image | Built] = [base, hypervisor.wanted(base, report)] if full else [base]
    for each in made:
        print(f"{each.name}  {each.size_bytes // 2**20} MiB  {each.folder}")
        if isinstance(each, hypervisor.Built) and each.origin.version != each.origin.wanted:
            print(
                f"It is Xen {each.origin.version}: the source of the image's {each.origin.wanted} "
                "cannot be had from the mirror.",
                file=sys.stderr,
            )
    return 0


def show(call: Call) -> int:
    """A row for each; those that this version uses have a star."""
    from domus.lab import hypervisor, image
    from domus.lab.record import Suite

    wanted = [image.wanted_recipe(suite).name for suite in Suite]
    current = (*wanted, *map(hypervisor.name_for, wanted))
    found: list[Image | Built] = [*image.images(), *hypervisor.built()]
    if call.has("json"):
        import msgspec

        rows = [
            {
                "name": each.name,
                "bytes": each.size_bytes,
                "current": each.name in current,
                "path": str(each.folder),
            }
            for each in found
        ]
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return 0
    for each in found:
        mark = "*" if each.name in current else " "
        print(f"{mark} {each.name:<28} {each.size_bytes // 2**20:>6} MiB  {each.folder}")
    return 0


def remove(call: Call) -> int:
    """By name."""
    from domus.lab import hypervisor, image

    if not call.words:
        raise call.wrong("'xm lab image rm' needs the name of an image")
    for name in call.words:
        if not hypervisor.delete(name):
            image.delete(name)
    return 0
