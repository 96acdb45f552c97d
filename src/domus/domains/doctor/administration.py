"""Check of what the administrator has written: xend's settings, old and new."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from domus.config.problems import InvalidConfig
from domus.config.settings import SXP_FILE, TOML_FILE, Read, read_sxp, read_toml
from domus.domains.doctor.facts import Facts
from domus.model.doctor import Finding, Severity


def settings(facts: Facts) -> Iterator[Finding]:
    """Mistakes in the files, and displays that everybody can open."""

    def found(severity: Severity, what: str, mend: str) -> Finding:
        return Finding(check="settings", severity=severity, what=what, mend=mend)

    applying = Read()
    for path, reader in ((SXP_FILE, read_sxp), (TOML_FILE, read_toml)):
        text = facts.files.text(str(path))
        if not text:
            continue
        try:
            read = reader(text, str(path))
        except InvalidConfig as error:
            for problem in error.problems:
                yield found(
                    Severity.ERROR, f"the next xend will not start: {problem}", "xm xend-config check"
                )
            continue
        applying = Read(applying.values | read.values, applying.origins | read.origins)
        for doubt in read.warnings:
            yield found(Severity.NOTE, str(doubt), "xm xend-config migrate prints what still means something")
    address = str(applying.values.get("guests.vnc_listen", ""))
    is_open = bool(address) and not ipaddress.ip_address(address).is_loopback
    if is_open and not applying.values.get("guests.vnc_password"):
        yield found(
            Severity.WARNING,
            f"VNC displays of guests listen on {address} without a password"
            f" ({applying.origins['guests.vnc_listen']})",
            "leave guests.vnc_listen empty, or set guests.vnc_password",
        )
