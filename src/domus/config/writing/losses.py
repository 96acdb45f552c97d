"""What a language could not say of a configuration: found by reading back what was written in it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from domus.config.parameters import TABLE
from domus.config.parameters.kind import shown
from domus.model.config import DomainConfig

#: lists of the model by the parameters that hold them
_LISTS: Final = {
    "disks": "disk",
    "nics": "vif",
    "framebuffers": "vfb",
    "pci_devices": "pci",
    "usb_controllers": "usbctrl",
    "usb_devices": "usbdev",
    "vtpms": "vtpm",
    "channels": "channel",
    "p9s": "p9",
    "virtios": "virtio",
    "vdispls": "vdispl",
    "vkbs": "vkb",
    "vsnds": "vsnd",
    "autostart": "on_xend_start",
    "security_label": "seclabel",
    "init_security_label": "init_seclabel",
}
_FIELDS: Final = {parameter.field: name for name, parameter in TABLE.items() if parameter.field} | _LISTS

#: what libxl does by itself: an xm file has to say it, since its silence means something else
_OF_LIBXL: Final = {
    "boot": "cda",
    "hpet": True,
    "vnc.enable": True,
    "sdl.enable": False,
    "sdl.opengl": False,
}


def losses(before: DomainConfig, text: str, format: str, language: str) -> Iterator[str]:
    """A line for each value of `before` that `text` does not give back.

    Args:
        text: what was written, in the language that `format` names.
        language: that language as it is called in the lines.
    """
    from domus.config import InvalidConfig, load_text

    try:
        after = load_text(text, format=format, source_name=language).config
    except InvalidConfig as error:
        yield from (f"{problem.what}, as it would stand in {language}" for problem in error.problems)
        return
    for path, value, found in differences(before, after):
        place = _named(path)
        if found is None or found in ((), "", False):
            yield f"{place}: {language} has no place for it"
        else:
            yield f"{place}: {_plain(value)} becomes {_plain(found)} in {language}"


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The fields that differ, as `nics[0].mtu`, with both values; but for what libxl does by itself."""
    if before == after:
        return
    if isinstance(before, msgspec.Struct) and type(before) is type(after):
        for name in before.__struct_fields__:
            inner = f"{path}.{name}" if path else name
            yield from differences(getattr(before, name), getattr(after, name), inner)
    elif isinstance(before, tuple) and isinstance(after, tuple) and _are_devices(before, after):
        for index, (item, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(item, other, f"{path}[{index}]")
    elif isinstance(before, msgspec.Struct) and after is None:
        yield from differences(before, type(before)(), path)
    elif before is not None or not any(
        path.endswith(f".{name}") and after == usual for name, usual in _OF_LIBXL.items()
    ):
        yield path, before, after


def _are_devices(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return len(before) == len(after) and all(isinstance(item, msgspec.Struct) for item in before)


def _plain(value: Any) -> str:
    return value.value if isinstance(value, StrEnum) else shown(value)


def _named(path: str) -> str:
    """A path in the words of configuration files: `vif[0] mtu`, `vnclisten`."""
    if path in _FIELDS:
        return _FIELDS[path]
    first, bracket, rest = path.partition("[")
    if bracket:
        return f"{_FIELDS.get(first, first)}[{rest}".replace("].", "] ", 1)
    return path
