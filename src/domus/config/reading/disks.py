"""Disk specifications, in xm's form and in xl's; either is understood in either language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from domus.config import vdev as vdevs
from domus.config.document import Spec
from domus.config.reading.identity import absolute, exists
from domus.config.reading.reading import Reading
from domus.config.reading.xl_disks import Found, from_xl
from domus.config.suggestions import did_you_mean
from domus.model.config import Disk, DiskFormat
from domus.model.errors import BadInput

_MODES: Final = {"r": "r", "ro": "r", "w": "w", "rw": "w", "w!": "w!", "rw!": "w!"}
_DRIVERS: Final = {
    "aio": DiskFormat.RAW,
    "sync": DiskFormat.RAW,
    "qcow": DiskFormat.QCOW,
    "qcow2": DiskFormat.QCOW2,
    "vhd": DiskFormat.VHD,
}
_SCRIPTED: Final = ("nbd", "enbd", "drbd", "iscsi", "npiv")
_FORMATS: Final = ("", *(form.value for form in DiskFormat))
_XL_PREFIX: Final = re.compile(r"(?:raw|qcow2?|vhd):")
_TYPE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_+-]*):(.*)", re.DOTALL)


def disks(reading: Reading) -> None:
    """Read `disk`, and what else names disks."""
    found: list[Disk] = []
    numbers: dict[int, int] = {}
    for index, spec in enumerate(reading.specs("disk")):
        disk = read_disk(reading, spec)
        if disk is None:
            continue
        _check(reading, spec, disk, found, numbers, index)
        found.append(disk)
    if image := reading.value("cdrom"):
        found.append(Disk(vdev="hdc", target=absolute(reading, image), cdrom=True, writable=False))
    reading.fields["disks"] = tuple(found)


def looks_like_xm(text: str) -> bool:
    """Whether a specification has xm's form: UNAME,VDEV,MODE and perhaps backend and protocol."""
    parts = [part.strip() for part in text.split(",")]
    if not 3 <= len(parts) <= 5 or "=" in parts[1] or "=" in parts[2]:
        return False
    name = _bare_vdev(parts[1])[0]
    if parts[1] in _FORMATS or _XL_PREFIX.match(text):
        return False
    return parts[2] in _MODES or (":" in parts[0] and (not name or name[:2] in ("xv", "hd", "sd")))


def read_disk(reading: Reading, spec: Spec) -> Disk | None:
    """One specification; None: it was wrong, and that is reported."""
    is_xm_form = looks_like_xm(spec.text) or (reading.is_xm and _begins_as_xm(spec.text))
    found = _from_xm(spec) if is_xm_form else from_xl(spec)
    return None if found is None else _disk(reading, spec, found)


def _begins_as_xm(text: str) -> bool:
    """Whether a specification that is not complete was meant in xm's form."""
    if "=" in text or _XL_PREFIX.match(text):
        return False
    parts = [part.strip() for part in text.split(",")]
    return len(parts) < 2 or parts[1] not in _FORMATS


def _from_xm(spec: Spec) -> Found | None:
    parts = [part.strip() for part in spec.text.split(",")]
    if not 3 <= len(parts) <= 5:
        missing = {1: "VDEV and MODE are missing", 2: "MODE is missing"}.get(
            len(parts), "there are too many parts"
        )
        spec.error(
            f"expected UNAME,VDEV,MODE[,BACKEND[,PROTOCOL]]: {missing}", "such as 'phy:/dev/vg0/web,xvda,w'"
        )
        return None
    name, is_cdrom = _bare_vdev(parts[1])
    mode = _MODES.get(parts[2])
    if mode is None:
        spec.error(f"mode {parts[2][:20]!r} is not one of r, w, w!", near=parts[2])
        return None
    found = Found(vdev=name, cdrom=is_cdrom, writable=mode != "r", shared=mode == "w!")
    found.backend_domain = parts[3] or None if len(parts) > 3 else None
    return found if _target(spec, parts[0], found) else None


def _bare_vdev(text: str) -> tuple[str, bool]:
    """`ioemu:/dev/hdc:cdrom` as hdc and whether it is a CD drive."""
    name = text.removeprefix("ioemu:").removeprefix("/dev/")
    for suffix, is_cdrom in ((":cdrom", True), (":disk", False)):
        if name.endswith(suffix):
            return name.removesuffix(suffix), is_cdrom
    return name, False


def _target(spec: Spec, uname: str, found: Found) -> bool:
    """Understand TYPE:PARAMS, xm's name of what is behind a disk."""
    if not uname:
        if not found.cdrom:
            spec.error("a disk needs something behind it", "only a CD drive (VDEV:cdrom) can be empty")
        found.format = DiskFormat.EMPTY
        return found.cdrom
    match = _TYPE.fullmatch(uname)
    if match is None or uname.startswith(("lun:", "image:")):
        found.target = uname
        return True
    kind, rest = match[1], match[2]
    if kind == "phy":
        found.target = rest if rest.startswith("/") else f"/dev/{rest}"
        if re.fullmatch(r"0x[0-9a-fA-F]+|\d+", rest):
            spec.error(f"phy:{rest} is a device number of Xen 2", "name the device: phy:/dev/...", near=rest)
            return False
    elif kind == "file":
        found.target = rest
    elif kind in ("tap", "tap2"):
        return _tap(spec, rest, found)
    else:
        found.target, found.script = rest, f"block-{kind}"
        if kind not in _SCRIPTED:
            spec.warn(f"the type {kind!r} needs a script block-{kind} in /etc/xen/scripts of the host",
                      did_you_mean(kind, ("phy", "file", "tap", "tap2", *_SCRIPTED)), near=kind)  # fmt: skip
    if not rest:
        spec.error(f"nothing follows {kind}:", near=uname)
    return bool(rest)


def _tap(spec: Spec, rest: str, found: Found) -> bool:
    for infix in ("tapdisk:", "ioemu:"):
        rest = rest.removeprefix(infix)
    driver, _, path = rest.partition(":")
    if driver not in _DRIVERS or not path:
        hint = (
            "convert the image to qcow2 with qemu-img" if driver == "vmdk" else did_you_mean(driver, _DRIVERS)
        )
        spec.error(f"tap:{driver[:20]} is not a disk type of today's Xen", hint, near=driver)
        return False
    found.format, found.target = _DRIVERS[driver], path
    return True


def _disk(reading: Reading, spec: Spec, found: Found) -> Disk | None:
    try:
        number = vdevs.number(found.vdev)
    except BadInput as problem:
        spec.error(problem.what, problem.hint, near=found.vdev)
        return None
    target = found.target
    if target is None and not found.cdrom:
        spec.error("no target specified, and it is not a CD drive")
        return None
    if target is not None and found.script is None and not target.startswith(("/", "lun:", "image:")):
        resolved = absolute(reading, target)
        if reading.document.directory is None or not exists(Path(resolved)):
            spec.error(f"{target[:80]!r} is not an absolute path, and not a file here either",
                       f"did you mean /dev/{target[:80]}?", near=target)  # fmt: skip
            return None
        target = resolved
    return Disk(
        vdev=found.vdev if not found.vdev[0].isdecimal() else str(number),
        target=target,
        format=DiskFormat.EMPTY if target is None else found.format,
        writable=found.writable and not found.cdrom,
        shared=found.shared,
        cdrom=found.cdrom,
        backend=found.backend,
        backend_domain=found.backend_domain,
        script=found.script,
        discard=found.discard,
        direct_io_safe=found.direct_io_safe,
        trusted=found.trusted,
        specification=found.specification,
        grant_usage=found.grant_usage,
    )


def _check(
    reading: Reading, spec: Spec, disk: Disk, others: list[Disk], numbers: dict[int, int], index: int
) -> None:
    """What xend checked: no device twice, no image twice."""
    number = vdevs.number(disk.vdev)
    if number in numbers:
        spec.error(f"{disk.vdev} is already used by disk[{numbers[number]}]", near=disk.vdev)
    whole = vdevs.whole_disk(number)
    for earlier in numbers:
        if earlier != number and whole == vdevs.whole_disk(earlier) and whole in (number, earlier):
            what = f"{disk.vdev} and {vdevs.name(earlier)} are a disk and a partition of it"
            spec.warn(what, "Linux shows one of them only", near=disk.vdev)
    numbers.setdefault(number, index)
    for other in others:
        if disk.target is None or disk.target != other.target or disk.script != other.script:
            continue
        if disk.shared and other.shared:
            continue
        if disk.writable or other.writable:
            spec.error(
                f"{disk.target} is already used as {other.vdev}", "use mode r for both, or w! to share it"
            )
        else:
            spec.warn(f"{disk.target} is already used as {other.vdev}")
    if reading.is_hvm and vdevs.is_partition(number) and disk.vdev[:2] in ("hd", "sd"):
        spec.warn(f"{disk.vdev} is a partition: the guest's firmware sees whole disks only", near=disk.vdev)
