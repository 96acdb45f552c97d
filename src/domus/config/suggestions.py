"""What the user may have meant: the closest of the words that exist."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as `did you mean bridge?`; empty when nothing comes close."""
    best = closest(word, known)
    return f"did you mean {best}?" if best else ""


def closest(word: str, known: Iterable[str]) -> str:
    """The word of `known` that `word` most resembles, or "".

    At most two mistakes are forgiven (one in words of up to four letters); otherwise one may be the
    beginning of the other, from four letters on.
    """
    wanted = word.lower().replace("-", "_")[:60]
    if len(wanted) < 3:
        return ""
    allowed = 1 if len(wanted) <= 4 else 2
    ranked = sorted(
        (distance, candidate)
        for candidate in known
        if (distance := edit_distance(wanted, candidate.lower().replace("-", "_"), allowed)) <= allowed
    )
    if ranked:
        return ranked[0][1]
    if len(wanted) < 4:
        return ""
    longer = [c for c in known if len(c) >= 4 and (c.startswith(wanted) or wanted.startswith(c))]
    return min(longer, key=len, default="")


def edit_distance(left: str, right: str, most: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours; `most` + 1 when there are more."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > most:
            return most + 1
        before, row = row, current
    return min(row[-1], most + 1)
