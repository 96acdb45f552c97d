"""`xm lab image`: what lab hosts are made from, built once and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domus.cli.command import Command, Option
from domus.cli.options import UsageError
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.lab.hypervisor import Built
    from domus.lab.image import Image
    from domus.lab.record import Hypervisor

Values = dict[str, list[str]]

HYPERVISOR: Final = Option(
    "",
    "hypervisor",
    "Which Xen: 'debian', Debian's package, or 'full', its source built with shadow paging and FLASK.",
    value="debian|full",
)
BUILD: Final = Command(
    name="lab image build",
    usage="[--hypervisor full]",
    sentence="Build the host image of this version of Domus, and its other hypervisor, unless there.",
    options=(HYPERVISOR,),
)
LIST: Final = Command(
    name="lab image list",
    sentence="List the host images and hypervisors.",
    options=(Option("", "json", "Print JSON, for programs."),),
)
REMOVE: Final = Command(name="lab image rm", usage="NAME ...", sentence="Remove host images and hypervisors.")


def chosen(values: Values, default: Hypervisor) -> Hypervisor:
    """The hypervisor that was asked for."""
    from domus.lab.record import Hypervisor

    asked = values.get("hypervisor", [default])[-1]
    if asked not in list(Hypervisor):
        raise BadInput(f"--hypervisor {asked}: there is {' and '.join(Hypervisor)}")
    return Hypervisor(asked)


def build(values: Values, _: list[str]) -> int:
    """Whatever is missing."""
    from domus.lab import hypervisor, image
    from domus.lab.progress import terminal
    from domus.lab.record import Hypervisor

    full = chosen(values, Hypervisor.DEBIAN) is Hypervisor.FULL
    if full:
        hypervisor.check_programs()  # before minutes are spent on the image
    with terminal() as report:
        base = image.wanted(report)
        made: list[Image | Built] = [base, hypervisor.wanted(base, report)] if full else [base]
    for each in made:
        print(f"{each.name}  {each.size_bytes // 2**20} MiB  {each.folder}")
    return 0


def show(values: Values, _: list[str]) -> int:
    """A row for each; those that this version uses have a star."""
    from domus.lab import hypervisor, image

    wanted = image.wanted_recipe().name
    current = (wanted, hypervisor.name_for(wanted))
    found: list[Image | Built] = [*image.images(), *hypervisor.built()]
    if "json" in values:
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


def remove(_: Values, words: list[str]) -> int:
    """By name."""
    from domus.lab import hypervisor, image

    if not words:
        raise UsageError("'xm lab image rm' needs the name of an image", command=REMOVE)
    for name in words:
        if not hypervisor.delete(name):
            image.delete(name)
    return 0
