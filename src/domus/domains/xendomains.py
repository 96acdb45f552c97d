"""/etc/default/xendomains: what happens to domains when the host starts and stops, as it always was said.

The file is shell; it is read, never run: lines NAME=VALUE, quoted or not. Names and defaults:
xen.git, tools/hotplug/Linux/init.d/sysconfig.xendomains.in.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput
from domus.model.migration import MigrateRequest, Partner

log = logging.getLogger(__name__)

#: where it is, on Debian's kin and on Red Hat's
FILES: Final = (Path("/etc/default/xendomains"), Path("/etc/sysconfig/xendomains"))

_LINE: Final = re.compile(r"\s*(?:export\s+)?(XENDOMAINS_[A-Z_]+)=(.*)", re.ASCII)
_MOST: Final = 1 << 16


@dataclass(frozen=True)
class XenDomains:
    """Its variables; the defaults are those of a host without the file."""

    auto: Path = Path("/etc/xen/auto")  #: configurations that are started
    auto_only: bool = True  #: at the stop, only domains that are in `auto`, or managed and started by xend
    restore: bool = True  #: what was saved is restored at the start
    sysrq: str = ""  #: letters that each domain gets at the stop
    usleep: int = 100_000  #: microseconds after each of them
    migrate: str = ""  #: where domains are migrated to
    save: str = ""  #: folder into which domains are saved
    shutdown: str = "--wait"  #: domains are asked to shut down unless this is empty
    shutdown_all: str = "--all --wait"  #: and in the end all that are left are, unless this is empty
    stop_maxwait: int = 300  #: seconds that one domain is given; 0: any time


def read(files: Iterable[Path] = FILES) -> XenDomains:
    """The settings of this host: the first of the files that is there."""
    for path in files:
        try:
            text = path.read_bytes()[:_MOST].decode("utf-8", "replace")
        except OSError:
            continue
        # The file that is shipped names this folder; without the variable nothing is saved.
        return parse(text)
    return XenDomains()


def parse(text: str) -> XenDomains:
    """The settings in the text of such a file."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, value = match[1], match[2]
        try:
            words = shlex.split(value, comments=True)
        except ValueError:
            log.warning("xendomains: %s is not understood: %s", name, value)
            continue
        values[name.removeprefix("XENDOMAINS_")] = words[0] if words else ""
    default = XenDomains()
    return XenDomains(
        auto=Path(values.get("AUTO") or default.auto),
        auto_only=_flag(values, "AUTO_ONLY", default.auto_only),
        restore=_flag(values, "RESTORE", default.restore),
        sysrq=values.get("SYSRQ", default.sysrq),
        usleep=_number(values, "USLEEP", default.usleep),
        migrate=values.get("MIGRATE", default.migrate),
        save=values.get("SAVE", default.save),
        shutdown=values.get("SHUTDOWN", default.shutdown),
        shutdown_all=values.get("SHUTDOWN_ALL", default.shutdown_all),
        stop_maxwait=_number(values, "STOP_MAXWAIT", default.stop_maxwait),
    )


def destination(text: str) -> MigrateRequest:
    """What XENDOMAINS_MIGRATE asks for: `HOST[:PORT]`, and `--live` before or after it.

    Raises:
        BadInput: something else.
    """
    words = text.split()
    live = any(word in ("-l", "--live") for word in words)
    hosts = [word for word in words if word not in ("-l", "--live")]
    if len(hosts) != 1 or hosts[0].startswith("-"):
        raise BadInput(f"XENDOMAINS_MIGRATE={text[:60]!r} names no host", hint="HOST, HOST:PORT, and --live")
    address, colon, port = hosts[0].rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()):
        return MigrateRequest(to=Partner(name=hosts[0], address=hosts[0]), live=live)
    return MigrateRequest(to=Partner(name=address, address=address.strip("[]"), port=int(port)), live=live)


def _flag(values: Mapping[str, str], name: str, default: bool) -> bool:
    return values[name].lower() in ("true", "yes", "1", "on") if name in values else default


def _number(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else default
