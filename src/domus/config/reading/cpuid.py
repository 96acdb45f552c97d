"""CPUID policies: xm's lists of `LEAF[,SUBLEAF]:REG=BITS` and xl's `host,FEATURE=V` text."""

from __future__ import annotations

import re
from typing import Final

from domus.config.document import Spec
from domus.config.parameters.kind import shown
from domus.config.parameters.numbers import whole
from domus.config.reading.reading import Reading
from domus.config.suggestions import did_you_mean
from domus.model.config import CpuidLeaf, MsrPolicy

_ITEM: Final = re.compile(r"(0x[0-9a-fA-F]{1,8}|\d{1,10})(?:,(0x[0-9a-fA-F]{1,8}|\d{1,10}))?:(.*)", re.DOTALL)
_BITS: Final = re.compile(r"[10xks]{32}")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,8}")
_REGISTERS: Final = ("eax", "ebx", "ecx", "edx")
#: IA32_ARCH_CAPABILITIES, the one register whose bits have names
_ARCH_CAPS: Final = 0x10A

Policy = dict[tuple[int, int | None], dict[str, list[str]]]


def cpuid(reading: Reading) -> None:
    """Read `cpuid`."""
    value = reading.value("cpuid")
    if not value:
        return
    policy: Policy = {}
    msr: list[str] = ["x"] * 64
    if isinstance(value, str) and not _ITEM.match(value):
        if not _features(Spec(reading.report, "cpuid", value, reading.place("cpuid")), policy, msr):
            return
    elif isinstance(value, str | list | tuple):
        for spec in (
            reading.specs("cpuid")
            if not isinstance(value, str)
            else [Spec(reading.report, "cpuid", value, reading.place("cpuid"))]
        ):
            _leaf(spec, policy)
    else:
        reading.error("cpuid", f"expected a list or a text, not {shown(value)}")
        return
    reading.fields["cpuid"] = tuple(
        CpuidLeaf(leaf=leaf, subleaf=subleaf, **{name: "".join(bits) for name, bits in registers.items()})
        for (leaf, subleaf), registers in sorted(
            policy.items(), key=lambda item: (item[0][0], item[0][1] or 0)
        )
    )
    if any(bit != "x" for bit in msr):
        reading.fields["msr"] = (MsrPolicy(index=_ARCH_CAPS, policy="".join(msr)),)


def _leaf(spec: Spec, policy: Policy) -> None:
    match = _ITEM.fullmatch("".join(spec.text.split()))
    if match is None:
        spec.error(
            f"{spec.text[:40]!r} is not LEAF[,SUBLEAF]:REG=BITS", "such as '1:ecx=' and 32 of 1 0 x k s"
        )
        return
    leaf = _number(match[1])
    subleaf = None if match[2] is None else _number(match[2])
    if leaf >= 1 << 32 or (subleaf or 0) >= 1 << 32:
        spec.error("a leaf is a number below 2^32")
        return
    for part in match[3].split(","):
        register, _, bits = part.partition("=")
        if register not in _REGISTERS:
            spec.error(f"unknown register {register[:20]!r}", "eax, ebx, ecx or edx", near=register)
            continue
        if _HEX.fullmatch(bits):
            bits = f"{int(bits, 16):032b}"  # xend expanded hexadecimal numbers
        if not _BITS.fullmatch(bits):
            count = (
                f" has {len(bits)} characters, needs 32" if len(bits) != 32 else " has others than 1 0 x k s"
            )
            spec.error(f"the value of {register}{count}", near=bits)
            continue
        policy.setdefault((leaf, subleaf), {})[register] = list(bits)


def _number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text)


def _features(spec: Spec, policy: Policy, msr: list[str]) -> bool:
    """`host,FEATURE=V,...`; False: it was wrong."""
    from domus.config.reading.cpuid_names import FEATURES, NUMERIC

    words = [word.strip() for word in spec.text.split(",")]
    if words[0] != "host":
        spec.error(f"must begin with host, not {words[0][:20]!r}", "such as 'host,x2apic=0'", near=words[0])
        return False
    fine = True
    for word in words[1:]:
        name, sign, text = word.partition("=")
        name, text = name.strip().lower(), text.strip()
        if not word:
            continue
        if not sign:
            spec.error(f"{word[:40]!r} should be FEATURE=VALUE", near=word)
            fine = False
        elif name in NUMERIC or name in ("family", "model"):
            fine &= _numeric(spec, name, text, policy)
        elif name not in FEATURES:
            spec.error(
                f"unknown CPU feature {name[:40]!r}", did_you_mean(name, (*FEATURES, *NUMERIC)), near=word
            )
            fine = False
        elif text not in ("1", "0", "x", "k", "s"):
            spec.error(f"{name} must be one of 1 0 x k s, not {text[:20]!r}", near=word)
            fine = False
        else:
            leaf, subleaf, register, bit = FEATURES[name]
            if isinstance(leaf, str):
                msr[63 - bit - (32 if register == "high" else 0)] = text
            else:
                _register(policy, leaf, subleaf, register)[31 - bit] = text
    return fine


def _register(policy: Policy, leaf: int, subleaf: int | None, register: str) -> list[str]:
    return policy.setdefault((leaf, subleaf), {}).setdefault(register, ["x"] * 32)


def _numeric(spec: Spec, name: str, text: str, policy: Policy) -> bool:
    from domus.config.reading.cpuid_names import NUMERIC

    number = whole(text)
    if number is None and text in ("x", "k", "s"):
        spec.error(f"{name} needs a number", near=text)
        return False
    most = {"family": 270, "model": 255}.get(name) or (1 << NUMERIC[name][4]) - 1
    if number is None or not 0 <= number <= most:
        spec.error(f"{name} must be a number from 0 to {most}, not {text[:20]!r}", near=text)
        return False
    if name == "family":
        _store(policy, 1, None, "eax", 8, 4, min(number, 15))
        _store(policy, 1, None, "eax", 20, 8, max(0, number - 15))
    elif name == "model":
        _store(policy, 1, None, "eax", 4, 4, number & 15)
        _store(policy, 1, None, "eax", 16, 4, number >> 4)
    else:
        leaf, subleaf, register, low, bits = NUMERIC[name]
        _store(policy, leaf, subleaf, register, low, bits, number)
    return True


def _store(
    policy: Policy, leaf: int, subleaf: int | None, register: str, low: int, bits: int, number: int
) -> None:
    place = _register(policy, leaf, subleaf, register)
    place[32 - low - bits : 32 - low] = f"{number:0{bits}b}"
