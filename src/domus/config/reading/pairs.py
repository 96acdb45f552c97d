"""`key=value,key=value`: what most specifications are made of."""

from __future__ import annotations

from collections.abc import Iterable

from domus.config.document import Spec
from domus.config.suggestions import did_you_mean


def pairs(
    spec: Spec, keys: Iterable[str], *, flags: tuple[str, ...] = (), text: str | None = None
) -> dict[str, str] | None:
    """The pairs of a specification, blanks around keys and values taken off; a flag's value is "1".

    Returns:
        None when a part is no pair, or a key is unknown or given twice; that is reported.
    """
    known = tuple(keys)
    found: dict[str, str] = {}
    for part in (spec.text if text is None else text).split(","):
        part = part.strip()
        if not part:
            continue
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign and part in flags:
            key, value = part, "1"
        elif not sign:
            spec.error(
                f"{part[:40]!r} should be a pair, KEY=VALUE", did_you_mean(part, (*known, *flags)), near=part
            )
            return None
        elif key not in known:
            spec.error(f"unknown key {key[:40]!r}", did_you_mean(key, known), near=key)
            return None
        if key in found:
            spec.error(f"{key} is given twice", near=part)
            return None
        found[key] = value
    return found
