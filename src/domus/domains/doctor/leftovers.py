"""Checks for what dead domains and former toolstacks left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from domus.domains.doctor.facts import Facts
from domus.domains.doctor.platform import qemu_of
from domus.model.doctor import Finding, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_LIBXL: Final = "/var/lib/xen"

#: libxl_dom.c: userdata-KIND.DOMID.UUID.NAME, where "d" marks what goes with the domain, "n" what stays
_USERDATA: Final = re.compile(r"userdata-[a-z]\.([0-9]{1,5})\.([0-9a-f-]{36})\..*")


def leftovers(facts: Facts) -> Iterator[Finding]:
    """All of them, in the order in which they should be taken away."""
    yield from _processes(facts)
    yield from _store(facts)
    yield from _loop_devices(facts)
    yield from _userdata(facts)
    yield from _dying(facts)
    yield from _old_xend(facts)


def _found(severity: Severity, what: str, mend: str) -> Finding:
    return Finding(check="leftovers", severity=severity, what=what, mend=mend)


def _processes(facts: Facts) -> Iterator[Finding]:
    for process in facts.processes:
        domid = qemu_of(process.words)
        if domid is not None and domid not in facts.domids:
            yield _found(
                _WARNING,
                f"a QEMU still serves domain {domid}, which is gone (process {process.pid})",
                f"kill {process.pid}",
            )


def _store(facts: Facts) -> Iterator[Finding]:
    for kind, domids in facts.backends.items():
        for domid in domids:
            if domid not in facts.domids:
                yield _found(
                    _WARNING,
                    f"XenStore has {kind} backends for domain {domid}, which is gone",
                    f"xenstore-rm /local/domain/0/backend/{kind}/{domid}",
                )
    for domid in facts.store_domids:
        if domid not in facts.domids:
            yield _found(
                _WARNING, f"XenStore has domain {domid}, which is gone", f"xenstore-rm /local/domain/{domid}"
            )
    alive = {info.uuid for info in facts.domains} | facts.kept
    for uuid in facts.store_vms:
        if uuid not in alive:
            yield _found(_NOTE, f"XenStore has /vm/{uuid} of no domain", f"xenstore-rm /vm/{uuid}")


def _loop_devices(facts: Facts) -> Iterator[Finding]:
    for device in facts.files.names("/sys/block"):
        backing = facts.files.text(f"/sys/block/{device}/loop/backing_file")
        if not backing or _used(facts, device):
            continue
        if backing.endswith(" (deleted)"):
            what = f"/dev/{device} holds the deleted file {backing.removesuffix(' (deleted)')}, for nobody"
        else:
            what = f"/dev/{device} holds {backing}, for nobody"
        yield _found(_WARNING, what, f"losetup -d /dev/{device}")


def _used(facts: Facts, device: str) -> bool:
    """A domain, a file system, swap or a device-mapper device has it, or a partition of it."""
    parts = [
        device,
        *(name for name in facts.files.names(f"/sys/block/{device}") if name.startswith(f"{device}p")),
    ]
    mounts = facts.files.text("/proc/mounts") + "\n" + facts.files.text("/proc/swaps")
    sources = {line.split()[0] for line in mounts.splitlines() if line.split()}
    for part in parts:
        folder = f"/sys/block/{device}" if part == device else f"/sys/block/{device}/{part}"
        if f"/dev/{part}" in sources or facts.files.names(f"{folder}/holders"):
            return True
        major, _, minor = facts.files.text(f"{folder}/dev").partition(":")
        if major.isdecimal() and f"{int(major):x}:{int(minor):x}" in facts.disks_in_use:
            return True
    # A QEMU (qcow2, HVM) has it open itself.
    return any(
        f"/dev/{part}" in word for process in facts.processes for word in process.words for part in parts
    )


def _userdata(facts: Facts) -> Iterator[Finding]:
    alive = {(str(info.domid), info.uuid) for info in facts.domains}
    for name in facts.files.names(_LIBXL):
        matched = _USERDATA.fullmatch(name)
        # Domain 0 has uuid 0 in libxl's file, whatever Xen says of it.
        if matched is None or matched[1] == "0" or (matched[1], matched[2]) in alive:
            continue
        yield _found(_WARNING, f"{_LIBXL}/{name} is of a domain that is gone", f"rm '{_LIBXL}/{name}'")


def _dying(facts: Facts) -> Iterator[Finding]:
    for info in facts.domains:
        if info.dying and info.memory_kib:
            yield _found(
                _WARNING,
                f"domain {info.domid} is dying and still owns {info.memory_kib // 1024} MiB: they are mapped",
                "end the QEMU or back end that serves it; look with 'xl debug-keys q' and 'xl dmesg'",
            )


def _old_xend(facts: Facts) -> Iterator[Finding]:
    kept = [
        name
        for name in facts.files.names("/var/lib/xend/domains")
        if facts.files.exists(f"/var/lib/xend/domains/{name}/config.sxp")
    ]
    if kept:
        yield _found(
            _NOTE,
            f"the old xend kept {len(kept)} managed domains in /var/lib/xend/domains",
            "xm new -F /var/lib/xend/domains/UUID/config.sxp takes one over",
        )
