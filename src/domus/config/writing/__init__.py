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

    losses = [name for name in ("description", "autostart", "show_vnc") if getattr(config, name)]
    if config.on_xend_stop != "ignore":
        losses.append("on_xend_stop")
    if any(device.path is not None for device in config.usb_devices):
        losses.append("a USB device by its port")
    text = (
        json.dumps(to_libxl(config, hotplug_script="", on_this_host=False), indent=4, ensure_ascii=False)
        + "\n"
    )
    return Written(text, tuple(f"{name} has no place in libxl's JSON" for name in losses))


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


def convert(config: DomainConfig, language: str) -> Written:
    """`config` in `language`: "xm", "xl", "sxp", "json" or "xml".

    Raises:
        BadInput: there is no such language.
    """
    if language not in _WRITERS:
        raise BadInput(f"there is no language {language[:20]!r}", hint=f"one of {', '.join(_WRITERS)}")
    return _WRITERS[language](config)
