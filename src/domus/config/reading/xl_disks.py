"""xl's disk syntax: positional words, key=value, flags, deprecated prefixes (xl-disk-configuration(5))."""

from __future__ import annotations

from typing import Final

import msgspec

from domus.config.document import Spec
from domus.config.suggestions import did_you_mean
from domus.model.config import DiskFormat

_FORMATS: Final = {"": DiskFormat.RAW, **{form.value: form for form in DiskFormat}}
_ACCESS: Final = {"": True, "w": True, "rw": True, "r": False, "ro": False}
_KEYS: Final = ("format", "vdev", "access", "backend", "backendtype", "script", "devtype", "specification",
                "grant_usage", "target")  # fmt: skip
_FLAGS: Final = (
    "cdrom",
    "direct-io-safe",
    "discard",
    "no-discard",
    "trusted",
    "untrusted",
    "colo",
    "no-colo",
)
_STRIPPED: Final = ("tapdisk", "tap2", "tap", "aio", "ioemu", "file", "phy")
_SCRIPTED: Final = ("iscsi", "nbd", "enbd", "drbd")
_COLO: Final = ("colo-host", "colo-port", "colo-export", "active-disk", "hidden-disk")


class Found(msgspec.Struct):
    """What a disk specification says, before it is checked."""

    vdev: str = ""
    target: str | None = None
    format: DiskFormat = DiskFormat.RAW
    writable: bool = True
    shared: bool = False
    cdrom: bool = False
    backend: str | None = None
    backend_domain: str | None = None
    script: str | None = None
    discard: bool | None = None
    direct_io_safe: bool = False
    trusted: bool | None = None
    specification: str | None = None
    grant_usage: bool | None = None


class _Reader:
    """Takes a specification apart, from left to right."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.found = Found()
        self.given: dict[str, str] = {}  #: the four positional parameters
        self.skip_format = False
        self.failed = False

    def error(self, what: str, hint: str = "", near: str = "") -> None:
        self.failed = True
        self.spec.error(what, hint, near=near)

    def read(self) -> Found | None:
        rest: str | None = self.spec.text
        while rest is not None and not self.failed:
            rest = rest.lstrip(" \t\n")
            if rest.startswith("target="):
                self._set("target", rest.removeprefix("target="))
                break
            word, comma, after = rest.partition(",")
            rest = after if comma else None
            self._word(word.rstrip(" \t\n"))
        return None if self.failed else self._finished()

    def _word(self, word: str) -> None:
        key, sign, value = word.partition("=")
        if sign and not word.startswith("/"):
            self._keyed(key, value)
        elif word in _FLAGS:
            self._flag(word)
        else:
            self._positional(word)

    def _keyed(self, key: str, value: str) -> None:
        found = self.found
        if key in ("format", "vdev", "access"):
            self._set(key, value)
        elif key == "backend":
            found.backend_domain = value or None
        elif key == "script":
            found.script = value or None
        elif key == "backendtype":
            self._choose(key, value, ("phy", "tap", "qdisk", "standalone"))
            found.backend = value
        elif key == "devtype":
            self._choose(key, value, ("cdrom", "disk"))
            found.cdrom = value == "cdrom"
        elif key == "specification":
            self._choose(key, value, ("xen", "virtio"))
            found.specification = value
        elif key == "grant_usage":
            self._choose(key, value, ("0", "1"))
            found.grant_usage = value == "1"
        elif key in _COLO:
            self.error(f"{key}= belongs to COLO, which Domus does not do", near=key)
        else:
            prefix, colon, _ = key.partition(":")
            hint = did_you_mean(key, (*_KEYS, *_FLAGS))
            if colon and prefix in _SCRIPTED:
                hint = f"what has parameters of its own comes last: vdev=...,script=block-{prefix},target=..."
            self.error(f"unknown parameter {key[:40]!r}", hint, near=key)

    def _choose(self, key: str, value: str, words: tuple[str, ...]) -> None:
        if value not in words:
            self.error(f"{key} must be one of {', '.join(words)}, not {value[:40]!r}", near=value)

    def _flag(self, word: str) -> None:
        found = self.found
        if word == "cdrom":
            found.cdrom = True
        elif word == "direct-io-safe":
            found.direct_io_safe = True
        elif word in ("discard", "no-discard"):
            found.discard = word == "discard"
        elif word in ("trusted", "untrusted"):
            found.trusted = word == "trusted"
        elif word == "colo":
            self.error("COLO replication is not something that Domus does", near=word)

    def _positional(self, word: str) -> None:
        if self.skip_format and word in _FORMATS and word and self.given.get("format", word) == word:
            self.given["format"] = word  # `phy:/dev/a,raw,xvda,w`: xl would take it for the vdev
            return
        for name in ("target", "format", "vdev", "access"):
            if name in self.given or (name == "format" and self.skip_format):
                continue
            if name == "target":
                word = self._prefixes(word)
            self.given[name] = word
            if name == "vdev":
                self._suffix()
            return
        self.error(f"too many words: {word[:40]!r}", "the words are target, format, vdev, access", near=word)

    def _prefixes(self, target: str) -> str:
        """Take the deprecated prefixes off a target; they stack, as in tap:qcow2:/x."""
        while True:
            prefix, colon, rest = target.partition(":")
            if not colon or "/" in prefix or prefix in ("lun", "image"):
                return target
            if prefix in ("raw", "qcow", "qcow2", "vhd"):
                self.given["format"] = prefix
            elif prefix in _SCRIPTED:
                self.found.script = f"block-{prefix}"
                self.skip_format = True
                return rest
            elif prefix not in _STRIPPED:
                if rest[:1].isalnum():
                    return target
                self.error(
                    f"unknown disk prefix {prefix[:20]!r}", did_you_mean(prefix, _STRIPPED), near=prefix
                )
                return target
            elif prefix == "phy" and not rest.startswith("/"):
                rest = f"/dev/{rest}"  # xend did; xl forgot to
            self.skip_format = True
            target = rest

    def _suffix(self) -> None:
        name = self.given["vdev"].removeprefix("/dev/")
        for suffix in (":cdrom", ":disk"):
            if name.endswith(suffix):
                self.found.cdrom = suffix == ":cdrom"
                name = name.removesuffix(suffix)
        self.given["vdev"] = name

    def _set(self, name: str, value: str) -> None:
        if self.given.get(name):
            self.error(f"{name} is given twice", near=value)
        self.given[name] = value

    def _finished(self) -> Found | None:
        found, given = self.found, self.given
        if not given.get("vdev"):
            hint = (
                "target= takes the whole rest of the text: write it last"
                if "," in given.get("target", "")
                else ""
            )
            self.error(
                "no vdev specified", hint or "such as 'format=raw, vdev=xvda, access=rw, target=/srv/web.img'"
            )
            return None
        form, access = given.get("format", ""), given.get("access", "")
        if form not in _FORMATS:
            self.error(f"unknown format {form[:40]!r}", did_you_mean(form, _FORMATS), near=form)
        elif access not in _ACCESS:
            self.error(f"unknown access {access[:40]!r}", "r or w", near=access)
        if self.failed:
            return None
        found.vdev = given["vdev"]
        found.target = given.get("target") or None
        found.format, found.writable = _FORMATS[form], _ACCESS[access]
        return found


def from_xl(spec: Spec) -> Found | None:
    """Read a specification in xl's form; None: it was wrong, and that is reported."""
    return _Reader(spec).read()
