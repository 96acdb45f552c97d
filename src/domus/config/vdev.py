"""Names of virtual disks and the numbers that XenStore knows them by (xen-vbd-interface(7)).

>>> number("xvda1"), name(51713)
(51713, 'xvda1')
"""

from __future__ import annotations

import re
from typing import Final

from domus.model.errors import BadInput

_EXTENDED: Final = 1 << 28
_MOST: Final = (1 << 31) - 1
_XVD: Final = re.compile(r"xvd([a-z]{1,5})(0|[1-9][0-9]{0,2})?")
_PAIR: Final = re.compile(r"d([0-9]{1,7})p([0-9]{1,3})")
_HD: Final = re.compile(r"hd([a-z])(0|[1-9][0-9]?)?")
_SD: Final = re.compile(r"sd([a-z]{1,2})(0|[1-9][0-9]?)?")
_PLAIN: Final = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,11}")

# Majors of Linux's devices.txt that xend knew beside libxl's: hde to hdt in pairs, sdq to sdiv by 16.
_OLD_HD_MAJORS: Final = (33, 34, 56, 57, 88, 89, 90, 91)
_OLD_SD_MAJORS: Final = (*range(65, 72), *range(128, 136))


def number(vdev: str) -> int:
    """The number of a virtual disk, as in `device/vbd/NUMBER`.

    Args:
        vdev: `xvda`, `xvda1`, `d0p1`, `hda`, `sda1`, or a number (decimal, 0x hexadecimal, 0 octal).

    Raises:
        BadInput: libxl would not take it; the hint has the number if xend knew the name.
    """
    if match := _XVD.fullmatch(vdev):
        return _xen_disk(vdev, letters_index(match[1]), int(match[2] or 0))
    if match := _PAIR.fullmatch(vdev):
        return _xen_disk(vdev, int(match[1]), int(match[2]))
    if match := _HD.fullmatch(vdev):
        return _ide(vdev, letters_index(match[1]), int(match[2] or 0))
    if match := _SD.fullmatch(vdev):
        return _scsi(vdev, letters_index(match[1]), int(match[2] or 0))
    if _PLAIN.fullmatch(vdev):
        return _plain(vdev)
    raise _invalid(vdev)


def name(number: int) -> str:
    """The name that a number stands for; the number itself in decimal where none does."""
    if number >> 28 == 1:
        disk, part = (number >> 8) & 0xFFFFF, number & 0xFF
        return f"xvd{letters(disk)}{part or ''}"
    major, minor = number >> 8, number & 0xFF
    if major == 202:
        return f"xvd{letters(minor >> 4)}{minor & 15 or ''}"
    if major == 8:
        return f"sd{letters(minor >> 4)}{minor & 15 or ''}"
    if major in (3, 22) and minor < 128:
        return f"hd{letters((0 if major == 3 else 2) + (minor >> 6))}{minor & 63 or ''}"
    return str(number)


def is_partition(number: int) -> bool:
    """Whether the number stands for a partition rather than a whole disk."""
    return number != whole_disk(number)


def whole_disk(number: int) -> int:
    """The number of the disk that a partition is part of."""
    if number >> 28 == 1:
        return number & ~0xFF
    major = number >> 8
    if major in (202, 8):
        return number & ~15
    if major in (3, 22):
        return number & ~63
    return number


def letters_index(text: str) -> int:
    """Index of a disk by its letters: a is 0, z 25, aa 26."""
    index = 0
    for character in text:
        index = index * 26 + ord(character) - ord("a") + 1
    return index - 1


def letters(index: int) -> str:
    """The letters of a disk's index, as `letters_index` reads them."""
    text = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def _xen_disk(vdev: str, disk: int, part: int) -> int:
    if disk >= 1 << 20 or part > 255:
        raise _invalid(vdev)
    if disk <= 15 and part <= 15:
        return 202 << 8 | disk << 4 | part
    return _EXTENDED | disk << 8 | part


def _ide(vdev: str, disk: int, part: int) -> int:
    if part > 63:
        raise _invalid(vdev)
    if disk > 3:
        pair = disk // 2 - 2
        if pair < len(_OLD_HD_MAJORS):
            raise _invalid(vdev, _OLD_HD_MAJORS[pair] << 8 | (disk & 1) << 6 | part)
        raise _invalid(vdev)
    return (3 if disk < 2 else 22) << 8 | (disk & 1) << 6 | part


def _scsi(vdev: str, disk: int, part: int) -> int:
    if part > 15:
        raise _invalid(vdev)
    if disk > 15:
        block = disk // 16 - 1
        if block < len(_OLD_SD_MAJORS):
            raise _invalid(vdev, _OLD_SD_MAJORS[block] << 8 | (disk & 15) << 4 | part)
        raise _invalid(vdev)
    return 8 << 8 | disk << 4 | part


def _plain(vdev: str) -> int:
    try:
        # strtoul(base 0): a leading 0 means octal, as xl and libxl read it.
        value = int(vdev, 0) if vdev[:2] in ("0x", "0X") or vdev[0] != "0" else int(vdev, 8)
    except ValueError:
        raise _invalid(vdev) from None
    if value > _MOST:
        raise _invalid(vdev)
    return value


def _invalid(vdev: str, old_number: int | None = None) -> BadInput:
    hint = "xvda and on, hda-hdd, sda-sdp, with an optional partition number, or d0p0 and on"
    if old_number is not None:
        hint = f"use an xvd name, or {old_number}, the number that xend gave it"
    return BadInput(f"{vdev[:60]!r} is not a virtual disk", hint=hint)
