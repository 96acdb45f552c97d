"""Lists of everything else: channels, TPMs, shares, displays, sound, resources of the host."""

from __future__ import annotations

import re
from typing import Any, Final

from domus.config.document import Spec
from domus.config.parameters.kind import Invalid
from domus.config.parameters.numbers import Flag, whole
from domus.config.reading.pairs import pairs
from domus.config.reading.reading import Reading
from domus.model.config import (
    P9,
    Channel,
    Connector,
    IoMemory,
    IoRange,
    Vdispl,
    Virtio,
    Vkb,
    Vtpm,
)
from domus.model.errors import BadInput
from domus.model.names import check_uuid

_CONNECTOR: Final = re.compile(r"\s*([^:;]+):(\d{1,5})x(\d{1,5})\s*")
_PORTS: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{1,4})(?:-(?:0x)?([0-9a-fA-F]{1,4}))?")
_PAGES: Final = re.compile(
    r"(?:0x)?([0-9a-fA-F]{1,13}),(?:0x)?([0-9a-fA-F]{1,13})(?:@(?:0x)?([0-9a-fA-F]{1,13}))?"
)
_VKB_FLAGS: Final = (
    "feature-disable-keyboard",
    "feature-disable-pointer",
    "feature-abs-pointer",
    "feature-raw-pointer",
    "feature-multi-touch",
)
_MULTI_TOUCH: Final = ("multi-touch-width", "multi-touch-height", "multi-touch-num-contacts")
_VKB_NUMBERS: Final = ("width", "height", *_MULTI_TOUCH)


def others(reading: Reading) -> None:
    """Read every list that needs no other parameter."""
    for name, field, read in (
        ("vtpm", "vtpms", _vtpm),
        ("channel", "channels", _channel),
        ("p9", "p9s", _p9),
        ("pvcalls", "pvcalls", _pvcalls),
        ("virtio", "virtios", _virtio),
        ("vdispl", "vdispls", read_vdispl),
        ("vkb", "vkbs", read_vkb),
        ("dtdev", "dtdevs", _dtdev),
        ("ioports", "ioports", _ioports),
        ("iomem", "iomem", _iomem),
    ):
        found = [item for spec in reading.specs(name) if (item := read(spec)) is not None]
        reading.fields[field] = tuple(found)
    _irqs(reading)
    _colors(reading)
    _quotas(reading)
    _arm_sci(reading)


def number_of(spec: Spec, key: str, text: str) -> int | None:
    """A whole number that is not negative; None: it is not, and that is reported."""
    number = whole(text)
    if number is None or not 0 <= number < 1 << 31:
        spec.error(f"{key} must be a whole number, not {text[:20]!r}", near=text)
        return None
    return number


def flag_of(spec: Spec, key: str, text: str) -> bool | None:
    """Yes or no; None: neither, and that is reported."""
    try:
        value = Flag().read(text)
    except Invalid as problem:
        spec.error(f"{key}: {problem.what}", near=text)
        return None
    return bool(value)


def _vtpm(spec: Spec) -> Vtpm | None:
    given = pairs(spec, ("backend", "uuid", "instance", "type"))
    if given is None:
        return None
    if not given.get("backend"):
        spec.error("needs backend=DOMAIN, the domain that runs the TPM")
        return None
    uuid = None
    if given.get("uuid"):
        try:
            uuid = check_uuid(given["uuid"])
        except BadInput as problem:
            spec.error(problem.what, problem.hint, near=given["uuid"])
            return None
    return Vtpm(backend_domain=given["backend"], uuid=uuid)


def _channel(spec: Spec) -> Channel | None:
    given = pairs(spec, ("name", "connection", "path", "backend"))
    if given is None:
        return None
    connection = given.get("connection", "").lower()
    if not given.get("name") or connection not in ("pty", "socket"):
        spec.error("needs name= and connection=pty or connection=socket")
        return None
    if connection == "socket" and not given.get("path"):
        spec.error("connection=socket needs path=")
        return None
    path = given.get("path") if connection == "socket" else None
    return Channel(
        name=given["name"],
        connection=connection,
        path=path or None,
        backend_domain=given.get("backend") or None,
    )


def _p9(spec: Spec) -> P9 | None:
    given = pairs(
        spec,
        (
            "tag",
            "path",
            "security_model",
            "backend",
            "type",
            "max-files",
            "max-open-files",
            "max-space",
            "auto-delete",
        ),
    )
    if given is None:
        return None
    kind = given.get("type") or None
    if kind not in (None, "qemu", "xen_9pfsd"):
        spec.error("type must be qemu or xen_9pfsd", near=given["type"])
        return None
    for key in ("tag", "path", "security_model"):
        if not given.get(key) and kind != "xen_9pfsd":
            spec.error(f"needs {key}=", "tag=TAG,path=DIRECTORY,security_model=none")
            return None
    numbers = {key: number_of(spec, key, given[key]) for key in ("max-files", "max-open-files", "max-space")
               if given.get(key)}  # fmt: skip
    return P9(
        kind=kind,
        tag=given.get("tag") or None,
        path=given.get("path") or None,
        security_model=given.get("security_model") or None,
        backend_domain=given.get("backend") or None,
        max_files=numbers.get("max-files"),
        max_open_files=numbers.get("max-open-files"),
        max_space=numbers.get("max-space"),
        auto_delete=flag_of(spec, "auto-delete", given["auto-delete"]) if given.get("auto-delete") else None,
    )


def _pvcalls(spec: Spec) -> str | None:
    given = pairs(spec, ("backend",))
    return None if given is None else given.get("backend") or "0"


def _virtio(spec: Spec) -> Virtio | None:
    text = spec.text
    kind = re.search(r"type\s*=\s*(virtio\s*,\s*device[0-9a-fA-F]+|[^,]*)", text)
    rest = text if kind is None else text[: kind.start()] + text[kind.end() :]
    given = pairs(spec, ("transport", "backend", "grant_usage"), text=rest)
    if given is None:
        return None
    if kind is None or not kind[1]:
        spec.error("needs type=")
        return None
    return Virtio(
        kind="".join(kind[1].split()),
        transport=given.get("transport") or None,
        backend_domain=given.get("backend") or None,
        grant_usage=flag_of(spec, "grant_usage", given["grant_usage"]) if given.get("grant_usage") else None,
    )


def read_vdispl(spec: Spec) -> Vdispl | None:
    """A display, `key=value,key=value`; None: it is wrong, and reported."""
    given = pairs(spec, ("backend", "be-alloc", "connectors"))
    if given is None:
        return None
    screens = []
    for part in given.get("connectors", "").split(";"):
        match = _CONNECTOR.fullmatch(part)
        if match is None:
            spec.error(f"connectors: {part[:40]!r} is not ID:WIDTHxHEIGHT", near=part)
            return None
        screens.append(Connector(unique_id=match[1].strip(), width=int(match[2]), height=int(match[3])))
    allocates = bool(given.get("be-alloc")) and flag_of(spec, "be-alloc", given["be-alloc"])
    return Vdispl(
        backend_domain=given.get("backend") or None, be_alloc=bool(allocates), connectors=tuple(screens)
    )


def read_vkb(spec: Spec) -> Vkb | None:
    """A keyboard, `key=value,key=value`; None: it is wrong, and reported."""
    given = pairs(spec, ("backend-type", "unique-id", "backend", *_VKB_FLAGS, *_VKB_NUMBERS))
    if given is None:
        return None
    kind = given.pop("backend-type", "").lower()
    if kind not in ("qemu", "linux"):
        spec.error("needs backend-type=qemu or backend-type=linux")
        return None
    values: dict[str, Any] = {}
    for key, text in given.items():
        name = {"backend": "backend_domain"}.get(key, key.replace("-", "_"))
        if key in _VKB_FLAGS:
            values[name] = flag_of(spec, key, text)
        else:
            values[name] = number_of(spec, key, text) if key in _VKB_NUMBERS else text or None
    if any(values.get(name.replace("-", "_")) is not None for name in _MULTI_TOUCH):
        values["feature_multi_touch"] = True  # as in xl: its size says that it is there
    return Vkb(backend_type=kind, **values)


def _dtdev(spec: Spec) -> str | None:
    if not spec.text.startswith("/"):
        spec.error("a device tree path begins with /")
        return None
    return spec.text


def _ioports(spec: Spec) -> IoRange | None:
    match = _PORTS.fullmatch(spec.text.strip())
    if match is None:
        spec.error(
            f"{spec.text[:40]!r} is not FROM or FROM-TO in hexadecimal, up to ffff", "such as '2f8-2ff'"
        )
        return None
    first, last = int(match[1], 16), int(match[2] or match[1], 16)
    if last < first:
        spec.error(f"{spec.text[:40]!r} ends before it begins")
        return None
    return IoRange(first=first, number=last - first + 1)


def _iomem(spec: Spec) -> IoMemory | None:
    match = _PAGES.fullmatch("".join(spec.text.split()))
    if match is None or not int(match[2], 16):
        spec.error(
            f"{spec.text[:40]!r} is not START,NUMBER[@GFN] in hexadecimal page numbers", "such as 'fe100,4'"
        )
        return None
    gfn = None if match[3] is None else int(match[3], 16)
    return IoMemory(start=int(match[1], 16), number=int(match[2], 16), gfn=gfn)


def _irqs(reading: Reading) -> None:
    found: list[int] = []
    for name in ("irqs", "irq"):
        for spec in reading.specs(name):
            number = number_of(spec, "an interrupt", spec.text)
            if number is not None:
                found.append(number)
    reading.fields["irqs"] = tuple(found)


def _colors(reading: Reading) -> None:
    found: set[int] = set()
    for spec in reading.specs("llc_colors"):
        match = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", spec.text)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            spec.error(f"{spec.text[:40]!r} is not N or A-B")
            continue
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    reading.fields["llc_colors"] = tuple(sorted(found))


def _quotas(reading: Reading) -> None:
    found: list[tuple[str, int]] = []
    for spec in reading.specs("xenstore_quota"):
        name, sign, text = spec.text.partition("=")
        number = number_of(spec, name.strip()[:40] or "a quota", text) if sign else None
        if not sign:
            spec.error("expected NAME=NUMBER")
        elif number is not None:
            found.append((name.strip(), number))
    reading.fields["xenstore_quota"] = tuple(found)


def _arm_sci(reading: Reading) -> None:
    text = reading.value("arm_sci")
    if text is None:
        return
    kind = text.strip().removeprefix("type=")
    if kind not in ("none", "scmi_smc"):
        reading.error("arm_sci", f"expected type=none or type=scmi_smc, not {text[:40]!r}")
        return
    reading.fields["arm.sci"] = kind
