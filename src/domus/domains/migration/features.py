"""CPU features of two hosts: what a guest may use here that the other host lacks, and a policy without it.

Source: xen/include/public/arch-x86/cpufeatureset.h of Xen 4.20 (the words of a featureset).
"""

from __future__ import annotations

from typing import Final

from domus.config.reading.cpuid_names import NAMES
from domus.model.config import DomainConfig

#: where the bits of each word of a featureset are told: leaf or "msr", subleaf, register or half
_WORDS: Final[tuple[tuple[int | str, int | None, str], ...]] = (
    (1, None, "edx"),
    (1, None, "ecx"),
    (0x80000001, None, "edx"),
    (0x80000001, None, "ecx"),
    (0xD, 1, "eax"),
    (7, 0, "ebx"),
    (7, 0, "ecx"),
    (0x80000007, None, "edx"),
    (0x80000008, None, "ebx"),
    (7, 0, "edx"),
    (7, 1, "eax"),
    (0x80000021, None, "eax"),
    (7, 1, "ebx"),
    (7, 2, "edx"),
    (7, 1, "ecx"),
    (7, 1, "edx"),
    ("msr", None, "low"),
    ("msr", None, "high"),
    (0x80000021, None, "ecx"),
)


def missing(theirs: tuple[int, ...], ours: tuple[int, ...]) -> list[str]:
    """The features of one of Xen's sets that another does not have, by libxl's names, or "word:bit"."""
    padded = (*ours, *(0 for _ in theirs[len(ours) :]))
    return [
        _name(word, bit)
        for word, (their_word, our_word) in enumerate(zip(theirs, padded, strict=False))
        for bit in range(32)
        if (their_word & ~our_word) >> bit & 1
    ]


def levelled(lacking: list[str]) -> str:
    """A value for `cpuid` that leaves features out; "" when one of them has no name."""
    if any(":" in name for name in lacking):
        return ""
    return ",".join(["host", *(f"{name}=0" for name in lacking)])


def seen(host: tuple[int, ...], config: DomainConfig) -> tuple[int, ...]:
    """What a guest sees of a host's features: its configuration may have left some out."""
    words = list(host)
    for word, (leaf, subleaf, register) in enumerate(_WORDS[: len(words)]):
        for policy in config.cpuid:
            if (policy.leaf, policy.subleaf) == (leaf, subleaf):
                bits = getattr(policy, register) or ""
                words[word] &= ~sum(1 << place for place, bit in enumerate(reversed(bits)) if bit == "0")
        if leaf == "msr":
            for bits in (policy.policy for policy in config.msr):
                half = bits[32:] if register == "low" else bits[:32]
                words[word] &= ~sum(1 << place for place, bit in enumerate(reversed(half)) if bit == "0")
    return tuple(words)


def _name(word: int, bit: int) -> str:
    known = NAMES.get((*_WORDS[word], bit)) if word < len(_WORDS) else None
    return known or f"{word}:{bit}"
