"""Who the domain is, what type it has, how it boots, what happens when it ends."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Final

from domus.config.reading.reading import Reading
from domus.model.config import Action, GuestType
from domus.model.errors import BadInput
from domus.model.names import check_domain_name, check_uuid

_BUILDERS: Final = {"linux": GuestType.PV, "generic": GuestType.PV, "hvm": GuestType.HVM}
_POLICIES: Final = {
    "onreboot": (Action.DESTROY, Action.RESTART, Action.DESTROY),
    "always": (Action.RESTART, Action.RESTART, Action.RESTART),
    "never": (Action.DESTROY, Action.DESTROY, Action.DESTROY),
}


def guest_type(reading: Reading) -> None:
    """Tell the guest's type from builder, type and pvh."""
    builder, named = reading.value("builder"), reading.value("type")
    if named is not None:
        reading.guest_type = GuestType(named)
        if builder in ("linux", "hvm") and _BUILDERS[builder] is not reading.guest_type:
            reading.error(
                "builder", f"builder {builder!r} contradicts type {named!r}", "remove the builder line"
            )
    elif reading.value("pvh"):
        reading.guest_type = GuestType.PVH
    elif builder is not None:
        reading.guest_type = _BUILDERS[builder]
    reading.fields["guest_type"] = reading.guest_type


def name_and_uuid(reading: Reading) -> None:
    """Check the name (xm: the file's, if there is none) and the uuid."""
    name = reading.value("name") or reading.document.default_name
    if not name:
        reading.report.error("a domain needs a name", hint="add name = 'NAME'")
    else:
        try:
            reading.fields["name"] = check_domain_name(name)
        except BadInput as problem:
            reading.error("name", problem.what, problem.hint)
    if uuid := reading.value("uuid"):
        try:
            reading.fields["uuid"] = check_uuid(uuid)
        except BadInput as problem:
            reading.error("uuid", problem.what, problem.hint)


def kernel(reading: Reading) -> None:
    """Check what the guest boots, and make its paths absolute."""
    image, bootloader = reading.value("kernel"), reading.value("bootloader")
    if reading.is_hvm:
        _hvm_firmware(reading, image)
    elif not image and not bootloader and not _pvgrub(reading) and not reading.specs("disk"):
        kind = "PVH" if reading.guest_type is GuestType.PVH else "PV"
        reading.report.error(
            f"{kind} guests need a kernel, or a disk to boot from",
            hint="add kernel = '/boot/vmlinuz...', or a disk with GRUB's configuration on it",
        )
    for name in ("kernel", "ramdisk"):
        if path := reading.fields.get(name):
            reading.fields[name] = path if bootloader else absolute(reading, path)


def absolute(reading: Reading, path: str) -> str:
    """A file's path as an absolute one: from the present directory, else from the configuration's.

    `sha256:HEX` and `lun:SERIAL` name things that were handed over, `image:NAME` one of a store: they stay.
    """
    if path.startswith(("/", "sha256:", "lun:", "image:")) or not path:
        return path
    here = reading.document.directory
    if here is not None and exists(here / path):
        return posixpath.normpath(str(here / path))
    base = reading.document.base or here
    return posixpath.normpath(str(base / path)) if base is not None else path


def exists(path: Path) -> bool:
    """Whether there is something of that name; a name that cannot be one is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _pvgrub(reading: Reading) -> bool:
    firmware = reading.value("firmware")
    if firmware is None:
        return False
    if firmware not in ("pvgrub32", "pvgrub64"):
        reading.error("firmware", f"{firmware!r} is not for PV guests", "pvgrub32 or pvgrub64")
        return True
    if reading.value("kernel"):
        reading.error("firmware", "both a kernel and a firmware are given", "remove one of them")
    reading.fields["kernel"] = f"/usr/lib/xen/boot/{firmware}.bin"
    return True


def _hvm_firmware(reading: Reading, image: str | None) -> None:
    if image and posixpath.basename(image) == "hvmloader":
        reading.fields.pop("kernel", None)  # xm's way to say that the guest boots from its firmware
        image = None
    loader = reading.value("loader")
    if loader and posixpath.basename(loader) != "hvmloader":
        reading.default("hvm.firmware", absolute(reading, loader))
    firmware = reading.value("firmware")
    if firmware and image:
        reading.error("firmware", "both a kernel and a firmware are given", "remove one of them")
    if firmware in ("ovmf", "uefi", "seabios"):
        reading.default("hvm.bios", "ovmf" if firmware == "uefi" else firmware)
    elif firmware == "rombios":
        reading.error("firmware", "rombios was removed from Xen", "remove this line: seabios does its work")
    elif firmware and firmware != "bios":
        reading.default("hvm.firmware", absolute(reading, firmware))
    if image is None:
        _without_kernel(reading)


def _without_kernel(reading: Reading) -> None:
    """A ramdisk or command line without a kernel: libxl refuses it, xm ignored it."""
    for name in ("ramdisk", "cmdline", "extra", "root"):
        if reading.value(name) and reading.is_xm:
            reading.warn(name, "has no meaning for an HVM guest that boots from its firmware; ignored")
            reading.fields.pop(name, None)
            reading.values.pop(name, None)
        elif reading.value(name):
            reading.error(name, "needs a kernel", "an HVM guest boots from its firmware otherwise")


def actions(reading: Reading) -> None:
    """What happens when the domain ends: xm's defaults, xl's, and the old restart=."""
    if policy := reading.value("restart"):
        for name, action in zip(("on_poweroff", "on_reboot", "on_crash"), _POLICIES[policy], strict=True):
            reading.default(name, action)
    for name in ("on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset"):
        if name in reading.fields:
            reading.fields[name] = Action(reading.fields[name])
    reading.default("on_reboot", Action.RESTART)
    reading.default("on_crash", Action.RESTART if reading.is_xm else Action.DESTROY)
    reading.fields["autostart"] = reading.value("on_xend_start") == "start"
    own_name = reading.fields.get("name")
    if own_name in (reading.value("start_after") or ()):
        reading.error("start_after", f"'{own_name}' cannot start after itself")


def bootloader_arguments(reading: Reading) -> None:
    """xm's bootargs are one text, quoted as for a shell."""
    text = reading.value("bootargs")
    if text is None:
        if reading.is_xm and reading.value("bootloader") and not reading.value("bootloader_args"):
            reading.default("bootloader_args", ("-q",))  # xend showed no menu unless a console was attached
        return
    import shlex

    try:
        reading.default("bootloader_args", tuple(shlex.split(text)))
    except ValueError:
        reading.error("bootargs", "the quotes are not balanced")


def security(reading: Reading) -> None:
    """XSM labels, and what xm's access_control says of them."""
    specs = reading.specs("access_control")
    if len(specs) > 1:
        reading.error("access_control", "there can be only one entry")
    for spec in specs[:1]:
        pairs = dict(part.strip().partition("=")[::2] for part in spec.text.split(",") if part.strip())
        if set(pairs) - {"policy", "label"} or not pairs.get("label"):
            spec.error("expected policy=P,label=L")
            continue
        spec.warn("ACM policies are gone; its label is used as an XSM label", "write seclabel = 'LABEL'")
        reading.default("security_label", pairs["label"])
