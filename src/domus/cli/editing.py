"""A kept configuration as a text that somebody changes, and back.

No language can say everything. So the text is read twice, as it was written and as it was changed; only the
fields that differ between the two are changed in what is kept, and nothing is lost on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from domus.cli.configfile import warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from domus.model.config import DomainConfig


def written(config: DomainConfig, language: str) -> str:
    """`config` as a text in `language`; what that cannot say is told on stderr, and stays as it is."""
    from domus.config.writing import convert

    text = convert(config, language)
    warn(f"{loss}; it is kept as it is" for loss in text.losses)
    return text.text


def changed(
    kept: DomainConfig,
    before: str,
    after: str,
    language: str,
    *,
    source_name: str,
    variables: Mapping[str, str] | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    base: Path | None = None,
) -> DomainConfig:
    """`kept` with what differs between its text and the changed text.

    Args:
        before: as `written` gave it.
        after: as it was changed.
        source_name: what errors call the changed text.
        variables: NAME=VALUE that win over the changed text, as `lists` do.
        base: the folder in which relative paths are looked up.

    Raises:
        InvalidConfig: with everything that is wrong in the changed text.
    """
    from domus.config import load_text

    was = load_text(before, source_name="what is kept", format=language).config
    loaded = load_text(
        after, source_name=source_name, format=language, variables=variables, lists=lists, base=base
    )
    warn(loaded.warnings)
    fields = {
        field: getattr(loaded.config, field)
        for field in kept.__struct_fields__
        if getattr(loaded.config, field) != getattr(was, field)
    }
    return replace(kept, **fields)
