"""`xm sysrq`, `trigger`, `button-press`, `debug-keys`, `set-parameters`, `dt-overlay`, `vm-list`.

And QEMU's monitor.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.cli.numbers import integer
from domus.model.debugging import OverlayVerb

if TYPE_CHECKING:
    from domus.cli.options import Call

_TRIGGERS: Final = ("nmi", "reset", "init", "s3resume", "power", "sleep")


def sysrq(call: Call) -> int:
    """`xm sysrq DOM LETTER`."""
    name, key = _words(call, 2)
    if len(key) != 1 or not key.isascii():
        raise call.wrong(f"{key} is not convertible to a character")
    call.client.debugging.sysrq(name, key)
    return 0


def trigger(call: Call) -> int:
    """`xm trigger DOM NAME [VCPU]`; the case of the name does not matter."""
    if len(call.words) not in (2, 3):
        raise call.wrong(f"'xm {call.command.name}' requires between 2 and 3 arguments.")
    name, wanted = call.words[:2]
    if wanted.lower() not in _TRIGGERS:
        raise call.wrong(f"Invalid trigger: {wanted}", hint=f"one of {', '.join(_TRIGGERS)}")
    vcpu = integer(call, call.words[2]) if len(call.words) == 3 else 0
    call.client.debugging.trigger(name, wanted.lower(), vcpu)
    return 0


def qemu_monitor_command(call: Call) -> int:
    """`xm qemu-monitor-command DOM COMMAND`; the command may be several words."""
    if len(call.words) < 2:
        raise call.wrong("'xm qemu-monitor-command' requires at least 2 arguments.")
    name, *words = call.words
    text = call.client.debugging.monitor(name, " ".join(words))
    sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
    return 0


def debug_keys(call: Call) -> int:
    """`xm debug-keys KEYS`."""
    call.client.debugging.debug_keys(_words(call, 1)[0])
    return 0


def set_parameters(call: Call) -> int:
    """`xm set-parameters NAME=VALUE ...`."""
    if not call.words:
        raise call.wrong("'xm set-parameters' requires 1 arguments.")
    call.client.debugging.set_parameters(" ".join(call.words))
    return 0


def dt_overlay(call: Call) -> int:
    """`xm dt-overlay add|remove FILE`, `xm dt-overlay attach FILE DOM`."""
    verb, file, *domain = call.words
    try:
        do = OverlayVerb(verb)
    except ValueError:
        raise call.wrong(f"unknown verb {verb[:40]!r}", hint=f"one of {', '.join(OverlayVerb)}") from None
    if len(domain) != (do is OverlayVerb.ATTACH):
        raise call.wrong("'attach' needs a domain, and nothing else takes one")
    call.client.debugging.dt_overlay(Path(file).read_bytes(), do, *domain)
    return 0


def vm_list(call: Call) -> int:
    """`xm vm-list`: guests, without Domain-0, in xl's columns."""
    if call.words:
        raise call.wrong("'xm vm-list' requires 0 arguments.")
    guests = [domain for domain in call.client.domains() if domain.domid]
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(guests))
        return 0
    print(f"{'UUID':<36}  {'ID':<5} name")
    for guest in guests:
        print(f"{guest.uuid}  {guest.domid:<5d} {guest.name:<30}")
    return 0


def _words(call: Call, number: int) -> list[str]:
    if len(call.words) != number:
        raise call.wrong(f"'xm {call.command.name}' requires {number} arguments.")
    return call.words
