"""`xm destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domus.cli.privileged import refuse_dom0
from domus.cli.progress import Progress
from domus.model.errors import Cancelled

if TYPE_CHECKING:
    from domus.cli.options import Call


def run(call: Call) -> int:
    """`xm destroy DOM`: silent, and over when nothing of the domain is left."""
    name = refuse_dom0(call, "destroy")
    operation = call.client.destroy(name)
    try:
        with Progress() as progress:
            call.client.finish(operation, on_change=progress.show)
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted; the host goes on destroying {name}") from None
    return 0
