"""How much a configuration file may cost: steps, memory, depth, sizes. Past it the evaluation ends."""

from __future__ import annotations

from typing import Final

MOST_STEPS: Final = 300_000
MOST_MEMORY: Final = 16 << 20  #: characters and list places made, freed ones included
MOST_STRING: Final = 1 << 20
MOST_ITEMS: Final = 100_000
MOST_INT_BITS: Final = 4096
MOST_DEPTH: Final = 120  #: expressions within expressions, calls included
MOST_WIDTH: Final = 10_000  #: of a formatted field


class OverBudget(Exception):
    """The file wants more than a configuration may; a script cannot catch it."""


class Budget:
    """What is left for one evaluation."""

    def __init__(self, steps: int = MOST_STEPS, memory: int = MOST_MEMORY) -> None:
        self.steps = steps
        self.memory = memory
        self.depth = 0

    def step(self, count: int = 1) -> None:
        """Account for work.

        Raises:
            OverBudget: all steps are used up.
        """
        self.steps -= count
        if self.steps < 0:
            raise OverBudget("it does not come to an end (a loop without one?)")

    def text(self, length: int) -> None:
        """Account for a string about to be made.

        Raises:
            OverBudget: it is too long, or all memory is used up.
        """
        if length > MOST_STRING:
            raise OverBudget(f"a string of {_about(length)} characters is too long for a configuration")
        self._take(length)

    def items(self, length: int) -> None:
        """Account for a list, tuple, set or dict about to be made.

        Raises:
            OverBudget: it has too many items, or all memory is used up.
        """
        if length > MOST_ITEMS:
            raise OverBudget(f"a list of {_about(length)} items is too long for a configuration")
        self.step(length >> 4)
        self._take(length * 8)

    def bits(self, bits: int) -> None:
        """Account for a whole number about to be computed.

        Raises:
            OverBudget: it would be too large.
        """
        if bits > MOST_INT_BITS:
            raise OverBudget("a number with that many digits is too large for a configuration")

    def _take(self, size: int) -> None:
        self.step(size >> 8)
        self.memory -= size
        if self.memory < 0:
            raise OverBudget("it needs too much memory for a configuration")


def _about(number: int) -> str:
    return str(number) if number < 10**12 else f"more than 10^{len(str(min(number, 10**300))) - 1}"
