"""Matches regular expressions within the budget.

Python's own `re` can be sent on a walk of hours by thirty characters, and nothing can call it back.
This matcher counts every step.
"""

from __future__ import annotations

from collections.abc import Iterator

from domus.config.evaluator.budget import Budget
from domus.config.evaluator.patterns import CLASSES, IGNORECASE, Node, Test


class Matcher:
    """One attempt after another to match a pattern with a text."""

    def __init__(self, budget: Budget, node: Node, flags: int, text: str) -> None:
        self.budget = budget
        self.node = node
        self.fold = bool(flags & IGNORECASE)
        self.text = text
        self.spans: dict[int, tuple[int, int]] = {}

    def at(self, position: int, *, whole: bool = False) -> int | None:
        """Where a match that begins at `position` ends; None: there is none."""
        self.spans = {}
        for end in self._match(self.node, position):
            if not whole or end == len(self.text):
                return end
        return None

    def _match(self, node: Node, position: int) -> Iterator[int]:
        """Every way to match a node from a position: where it ends."""
        self.budget.step()
        kind = node[0]
        if kind == "one":
            if position < len(self.text) and node[1](self.text[position]):
                yield position + 1
        elif kind == "sequence":
            yield from self._sequence(node[1], position)
        elif kind == "repeat":
            yield from self._repeat(node, position)
        elif kind == "alternatives":
            for branch in node[1]:
                yield from self._match(branch, position)
        elif kind == "group":
            yield from self._group(node[1], node[2], position)
        elif kind == "at":
            if self._holds(node[1], position):
                yield position
        elif kind == "look":
            if (next(self._match(node[1], position), None) is None) is node[2]:
                yield position
        else:
            start, end = self.spans.get(node[1], (0, -1))
            said = self.text[start:end] if end >= start else None
            if said is not None and self.text.startswith(said, position):
                yield position + len(said)

    def _sequence(self, parts: list[Node], position: int) -> Iterator[int]:
        if not parts:
            yield position
            return
        stack = [self._match(parts[0], position)]
        while stack:
            end = next(stack[-1], None)
            if end is None:
                stack.pop()
            elif len(stack) == len(parts):
                yield end
            else:
                stack.append(self._match(parts[len(stack)], end))

    def _repeat(self, node: Node, position: int) -> Iterator[int]:
        _, inner, least, most, lazy = node
        if inner[0] == "one":
            yield from self._repeat_one(inner[1], least, most, lazy, position)
            return
        # A stack of rounds; an empty round ends the repetition, or it would never end.
        stack: list[tuple[int, Iterator[int]]] = [(position, self._match(inner, position))]
        if lazy and least == 0:
            yield position
        while stack:
            start, rounds = stack[-1]
            end = next(rounds, None) if len(stack) <= most else None
            if end is None:
                stack.pop()
                if not lazy and len(stack) >= least:
                    yield start
                continue
            if end == start and len(stack) > least:
                continue
            if lazy and len(stack) >= least:
                yield end
            stack.append((end, self._match(inner, end)))

    def _repeat_one(self, test: Test, least: int, most: int, lazy: bool, position: int) -> Iterator[int]:
        text = self.text
        end = position
        limit = min(len(text), position + most)
        if lazy:
            while end <= limit:
                if end - position >= least:
                    yield end
                if end >= limit or not test(text[end]):
                    return
                self.budget.step()
                end += 1
            return
        while end < limit and test(text[end]):
            end += 1
            self.budget.step()
        yield from range(end, position + least - 1, -1)

    def _group(self, index: int, node: Node, position: int) -> Iterator[int]:
        before = self.spans.get(index)
        for end in self._match(node, position):
            self.spans[index] = (position, end)
            yield end
        if before is None:
            self.spans.pop(index, None)
        else:
            self.spans[index] = before

    def _holds(self, kind: str, position: int) -> bool:
        text, last = self.text, len(self.text)
        if kind == "start":
            return position == 0
        if kind == "line":
            return position == 0 or text[position - 1] == "\n"
        if kind == "end":
            return position == last or (position == last - 1 and text[position] == "\n")
        if kind == "line-end":
            return position == last or text[position] == "\n"
        if kind == "very-end":
            return position == last
        word = CLASSES["w"]
        before = position > 0 and word(text[position - 1])
        after = position < last and word(text[position])
        return (before is not after) is (kind == "word")
