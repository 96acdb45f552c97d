"""Languages out: a DomainConfig as an xm file, xl.cfg, SXP, XML or libxl's JSON.

`convert` is what `xm convert FILE --to LANGUAGE` does. What a language cannot say is listed as a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from domus.model.config import DomainConfig
from domus.model.errors import BadInput


class Written(NamedTuple):
    """A configuration in some language, and what that language could not say."""

    text: str
    losses: tuple[str, ...] = ()


def _xm(config: DomainConfig) -> Written:
    from domus.config.writing.assignments import write_xm

    return write_xm(config)


def _xl(config: DomainConfig) -> Written:
    from domus.config.writing.assignments import write_xl

    return write_xl(config)


def _sxp(config: DomainConfig) -> Written:
    from domus.config.sxp.writing import write_sxp

    return write_sxp(config)


def _json(config: DomainConfig) -> Written:
    import json

    from domus.config.compile import to_libxl

    document = to_libxl(config, hotplug_script="", on_this_host=False)
    return Written(json.dumps(document, indent=4, ensure_ascii=False) + "\n")


def _xml(config: DomainConfig) -> Written:
    from domus.config.xml.writing import write_xml

    return write_xml(config)


_WRITERS: Final[dict[str, Callable[[DomainConfig], Written]]] = {
    "xm": _xm,
    "xl": _xl,
    "sxp": _sxp,
    "json": _json,
    "xml": _xml,
}
_NAMES: Final = {
    "xm": "an xm file",
    "xl": "xl.cfg",
    "sxp": "SXP",
    "json": "libxl's JSON",
    "xml": "xm's XML",
}


def convert(config: DomainConfig, language: str) -> Written:
    """`config` in `language`: "xm", "xl", "sxp", "json" or "xml".

    Raises:
        BadInput: there is no such language.
    """
    if language not in _WRITERS:
        raise BadInput(f"there is no language {language[:20]!r}", hint=f"one of {', '.join(_WRITERS)}")
    from domus.config.writing.losses import losses

    written = _WRITERS[language](config)
    lost = losses(config, written.text, language, _NAMES[language])
    return Written(written.text, (*written.losses, *lost))
