"""How xend's operations appear in the line that tells how long work gets on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domus.lab.progress import Line

if TYPE_CHECKING:
    from domus.model.operation import Operation


class Progress(Line):
    """While the block lasts, what was shown last is drawn on standard error; nothing of it remains."""

    def show(self, shown: Operation | str) -> None:
        """From now on this is how it gets on."""
        if isinstance(shown, str):
            self.report(shown)
        else:
            self.report(words(shown), shown.progress)


def words(operation: Operation) -> str:
    """What an operation does now."""
    head = f"{operation.kind} {operation.domain}".strip()
    undoing = ", undoing" if operation.state == "undoing" else ""
    step = f": {operation.step}" if operation.step not in ("", operation.state) else ""
    return f"{head}{undoing}{step}"
