"""KVM, where it really works: /dev/kvm can be there and still fail, so QEMU is asked to use it."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path

from domus.lab import paths
from domus.lab.machine import QEMU
from domus.programs import run


class Accelerator(StrEnum):
    """How QEMU runs a host's instructions."""

    KVM = "kvm"
    TCG = "tcg"  #: in software, about fifteen times slower


def choose() -> tuple[Accelerator, str]:
    """The accelerator to use, and why it is not KVM (empty when it is).

    `DOMUS_ACCEL=tcg` (or `kvm`) decides without a try. The outcome of a try is kept until the machine
    is booted again.
    """
    if named := os.environ.get("DOMUS_ACCEL"):
        return Accelerator(named), "" if named == "kvm" else "DOMUS_ACCEL=tcg"
    why = _why_not_kvm()
    return (Accelerator.TCG, why) if why else (Accelerator.KVM, "")


def _why_not_kvm() -> str:
    if not Path("/dev/kvm").exists():
        return "this machine has no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is not open to this user (the group kvm may be what is missing)"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    note = paths.cache_dir() / "kvm.json"
    try:
        known = json.loads(note.read_text())
        if known["boot"] == boot:
            return str(known["why"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    why = _try()
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_name(f".{note.name}.{os.getpid()}")
    part.write_text(json.dumps({"boot": boot, "why": why}))
    part.rename(note)
    return why


def _try() -> str:
    """Let QEMU run the first instructions of a firmware under KVM; the reason if it cannot."""
    words = [{"execute": "qmp_capabilities"}, {"execute": "query-status"}, {"execute": "quit"}]
    argv = [
        QEMU,
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "64",
        "-nodefaults",
        "-display",
        "none",
        "-qmp",
        "stdio",
    ]
    done = run(argv, stdin="".join(json.dumps(word) + "\n" for word in words), check=False, within=20)
    if done.status == 0 and '"running": true' in done.stdout:
        return ""
    said = [line for line in done.stderr.splitlines() if line.strip()] or ["it stopped at once"]
    return f"QEMU cannot use /dev/kvm: {said[0].split(': ', 1)[-1]}"
