"""Screens: the emulated one of an HVM guest, framebuffers of the others."""

from __future__ import annotations

from typing import Any, Final

from domus.config.document import Spec
from domus.config.parameters import TABLE
from domus.config.parameters.kind import Invalid
from domus.config.reading.pairs import pairs
from domus.config.reading.reading import Reading
from domus.model.config import Framebuffer, Sdl, Vnc

_VNC: Final = {"vnc": "enable", "vnclisten": "listen", "vncpasswd": "password", "vncdisplay": "display",
               "vncunused": "find_unused"}  # fmt: skip
_SDL: Final = {"sdl": "enable", "opengl": "opengl", "display": "display", "xauthority": "xauthority"}
_KEYS: Final = (*_VNC, *_SDL, "keymap", "type", "videoram", "serial", "monitor")


def screens(reading: Reading) -> None:
    """Read `vfb`, and the screen's parameters outside of it."""
    entries = [entry for spec in reading.specs("vfb") if (entry := _entry(reading, spec)) is not None]
    if reading.is_hvm and reading.is_xm:
        for name, value in (entries[0] if entries else {}).items():
            reading.default(TABLE[name].field, value)  # an xm file's vfb of an HVM guest means its screen
        entries = []
    if reading.is_hvm:
        _hvm(reading)
    elif not entries and reading.value("vnc"):
        entries = [
            {
                name: reading.value(name)
                for name in (*_VNC, *_SDL, "keymap")
                if reading.value(name) is not None
            }
        ]
    reading.fields["framebuffers"] = tuple(_framebuffer(reading, entry) for entry in entries)


def _entry(reading: Reading, spec: Spec) -> dict[str, Any] | None:
    """The pairs of a vfb as values of the parameters of the same names."""
    given = pairs(spec, _KEYS)
    if given is None:
        return None
    entry: dict[str, Any] = {}
    kind = given.pop("type", "")
    if kind in ("vnc", "sdl"):
        entry[kind] = True  # before Xen 3.1: type=vnc
    elif kind:
        spec.error(f"type must be vnc or sdl, not {kind[:40]!r}", near=kind)
    for key, text in given.items():
        if key in ("videoram", "serial", "monitor"):
            spec.warn(f"{key}= has no meaning on today's Xen; ignored", near=key)
            continue
        try:
            entry[key] = TABLE[key].kind.read(text)
        except Invalid as problem:
            spec.error(f"{key}: {problem.what}", problem.hint, near=text)
    if reading.is_xm:
        entry.setdefault("vnc", False)
        if reading.value("keymap"):
            entry.setdefault("keymap", reading.value("keymap"))
    return entry


def _framebuffer(reading: Reading, entry: dict[str, Any]) -> Framebuffer:
    vnc = {field: entry[name] for name, field in _VNC.items() if entry.get(name) is not None}
    sdl = {field: entry[name] for name, field in _SDL.items() if entry.get(name) is not None}
    if reading.is_xm:
        sdl.setdefault("enable", False)
        if sdl["enable"]:
            sdl.setdefault("opengl", True)
    return Framebuffer(vnc=Vnc(**vnc), sdl=Sdl(**sdl), keymap=entry.get("keymap"))


def _hvm(reading: Reading) -> None:
    """What xm meant where it said nothing, and contradictions."""
    fields = reading.fields
    if fields.get("hvm.nographic"):
        fields["hvm.vnc.enable"] = False
    if reading.is_xm:
        reading.default("hvm.vnc.enable", False)
        if fields.get("hvm.sdl.enable"):
            reading.default("hvm.sdl.opengl", True)
    listen = fields.get("hvm.vnc.listen") or ""
    if listen.count(":") == 1 and fields.get("hvm.vnc.display") is not None:
        reading.error("vnclisten", "the display is given both here and in vncdisplay", "remove one of them")
    if reading.value("stdvga") is not None:
        reading.default("hvm.vga", "stdvga" if reading.value("stdvga") else "cirrus")
    _video_memory(reading)


def _video_memory(reading: Reading) -> None:
    """libxl refuses less than the card's minimum; xm's 4 MiB were for another QEMU."""
    size = reading.fields.get("video_mib")
    card = reading.fields.get("hvm.vga", "cirrus")
    least = {"stdvga": 16, "qxl": 128, "none": 0}.get(card, 8)
    if size is None or size >= least:
        return
    if reading.is_xm:
        del reading.fields["video_mib"]
        if size not in (0, 4):
            reading.warn("videoram", f"{size} MiB are too few for the card {card}; it gets {least}")
    else:
        reading.error("videoram", f"{size} MiB are too few for the card {card}", f"at least {least}")
