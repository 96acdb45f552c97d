"""`xm doctor`: what is wrong with the host and with this machine, and how to mend it."""

from __future__ import annotations

import os
import stat
import sys
import textwrap
from typing import TYPE_CHECKING, Final

from domus.cli.colours import painted
from domus.model.doctor import Examination, Finding, Severity, examination
from domus.model.errors import DomusError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domus.cli.options import Call

_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_COLUMNS: Final = 100
_INDENT: Final = " " * 11


def run(call: Call) -> int:
    """`xm doctor [--json]`; 1 when there is an error among the findings."""
    host = examine_host(call)
    machine = examine_machine()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document({"host": host, "machine": machine}))
    else:
        sys.stdout.write(text(host, machine))
    return 0 if machine.healthy and (host is None or host.healthy) else 1


def examine_host(call: Call) -> Examination | None:
    """What the host's xend finds; None when there is no host, and only a lab host could be started."""
    from domus.cli.target import without_starting

    try:
        target = without_starting(call.host)
        return None if target is None else target.client.doctor()
    except DomusError as error:
        silent = Finding(
            check="xend",
            severity=Severity.ERROR,
            what=error.what,
            mend=error.hint or "start it: systemctl start xend; what it says is in 'journalctl -u xend'",
        )
        return examination(call.host or os.environ.get("XM_HOST") or os.uname().nodename, {"xend": [silent]})


def examine_machine() -> Examination:
    """What is wrong here, where xm runs."""
    from domus.cli.here import runs_xen

    checks = {"certificates": list(_certificates())}
    if not runs_xen():
        from domus.lab.prerequisites import lab

        checks["lab"] = list(lab())
    return examination(os.uname().nodename, checks)


def _certificates() -> Iterator[Finding]:
    """The known hosts' certificates: there, readable by their owner only, not expired."""
    from pathlib import Path

    from domus.client.hosts import Hosts

    def found(severity: Severity, what: str, mend: str) -> Finding:
        return Finding(check="certificates", severity=severity, what=what, mend=mend)

    try:
        known = Hosts()
    except DomusError as error:
        yield found(Severity.ERROR, error.for_user(), "mend the file, or remove it and add the hosts again")
        return
    for name in known.names():
        folder = Path(known.get(name).tls)
        for file in ("ca.crt", "client.crt", "client.key"):
            path = folder / file
            try:
                state = path.stat()
            except OSError as error:
                yield found(
                    Severity.ERROR,
                    f"{path} of host {name}: {error.strerror}",
                    f"xm host rm {name}, and add it again",
                )
                continue
            if file.endswith(".key") and state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                yield found(Severity.ERROR, f"{path} can be read by others", f"chmod 600 {path}")
            if file.endswith(".crt"):
                yield from _expiry(path, name)


def _expiry(path: os.PathLike[str], name: str) -> Iterator[Finding]:
    from datetime import UTC, datetime, timedelta
    from pathlib import Path

    from cryptography import x509

    try:
        ends = x509.load_pem_x509_certificate(Path(path).read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield Finding(
            check="certificates",
            severity=Severity.ERROR,
            what=f"{path} is no certificate: {error}",
            mend=f"xm host rm {name}, and add it again",
        )
        return
    left = ends - datetime.now(UTC)
    if left < timedelta(days=30):
        over = left < timedelta()
        yield Finding(
            check="certificates",
            severity=Severity.ERROR if over else Severity.WARNING,
            what=f"{path} of host {name} {'has expired' if over else 'expires'} on {ends:%Y-%m-%d}",
            mend=f"xm host add --force {name} ADDRESS makes new ones",
        )


def text(host: Examination | None, machine: Examination) -> str:
    """Both, for a person."""
    lines = [] if host is None else _lines(f"Host {host.machine}", host)
    if host is None:
        lines.append("No host: this machine does not run Xen, and no lab host is up (xm lab up).")
    lines += ["", *_lines(f"This machine, {machine.machine}", machine), ""]
    found = [*(host.findings if host else ()), *machine.findings]
    counts = {each: sum(finding.severity is each for finding in found) for each in Severity}
    told = ", ".join(f"{number} {each}{'s' * (number != 1)}" for each, number in counts.items() if number)
    lines.append(f"{told}." if told else "Nothing found: all is well.")
    return "".join(f"{line}\n" for line in lines)


def _lines(title: str, examined: Examination) -> list[str]:
    lines = [f"{title}: {', '.join(examined.checks)}"]
    for finding in examined.findings:
        word = f"{finding.severity:<9}"
        body = textwrap.wrap(f"{finding.what} [{finding.check}]", _COLUMNS - len(_INDENT)) or [""]
        lines.append(f"  {painted(word, _STYLES[finding.severity], sys.stdout)}{body[0]}")
        lines += [f"{_INDENT}{line}" for line in body[1:]]
        # A command to paste stays in one line.
        lines += [f"{_INDENT}mend: {finding.mend}"] if finding.mend else []
    return lines if examined.findings else [f"{lines[0]}: nothing found"]
