"""What an examination finds on a host or on the user's machine."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  #: something does not work, or anybody may do harm
    WARNING = "warning"  #: something will not work as expected, or is wasted
    NOTE = "note"  #: worth knowing


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as it should be."""

    check: str  #: which check found it, stable for programs, such as "leftovers"
    severity: Severity
    what: str  #: what is wrong
    mend: str = ""  #: what to do about it: a command where one does it


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one machine, worst first."""

    machine: str  #: its host name
    checks: tuple[str, ...]  #: what was looked at, in order
    findings: tuple[Finding, ...] = ()

    @property
    def healthy(self) -> bool:
        """There is no error among the findings."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def examination(machine: str, checks: dict[str, list[Finding]]) -> Examination:
    """The findings of several checks, sorted by how much they matter."""
    order = list(Severity)
    found = [finding for findings in checks.values() for finding in findings]
    return Examination(
        machine=machine,
        checks=tuple(checks),
        findings=tuple(sorted(found, key=lambda finding: order.index(finding.severity))),
    )
