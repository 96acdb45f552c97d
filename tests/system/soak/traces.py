"""What is on a host: domains, devices, XenStore, processes, files, memory; what of it should not be there.

Everything is compared with what Xen says now, so that a look is worth something at any moment at which
nothing is under way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from domus.lab.host import LabHost
    from domus.model.domain import DomainInfo

STATE: Final = "/var/lib/domus"
FOLDER: Final = f"{STATE}/guests"  #: disks and saved domains

#: runs in domain 0, where every further process is dear
_SCRIPT: Final = """
import json, os, sqlite3, subprocess, sys
from glob import glob
from pathlib import Path

state = sys.argv[1]

def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, errors="replace").stdout.splitlines()

def text(path):
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""

def targets(folder):
    for each in glob(folder + "/*"):
        try:
            yield os.readlink(each)
        except OSError:
            pass

def rows(query):
    return [" ".join(map(str, row)) for row in database.execute(query)]

database = sqlite3.connect(f"file:{state}/xend.sqlite?mode=ro", uri=True)
processes = {path.split("/")[2]: text(path).replace(chr(0), " ") for path in glob("/proc/[0-9]*/cmdline")}
print(json.dumps({
    "domains": [" ".join(line.split()[1:3]) for line in run("xl", "list")[1:]],
    "store": run("xenstore-ls", "-f"),
    "loops": ["/dev/" + path.split("/")[3] for path in glob("/sys/block/loop*/loop/backing_file")],
    "ports": os.listdir("/sys/class/net/xenbr0/brif"),
    "network": [name for name in os.listdir("/sys/class/net") if name.startswith("vif")],
    "libxl": os.listdir("/var/lib/xen"),
    "processes": [line for pid, line in processes.items() if line and int(pid) != os.getpid()],
    "files": [os.path.join(at, name) for folder in (state, "/run/domus") for at, _, names in os.walk(folder)
              for name in names],
    "descriptors": list(targets("/proc/" + text("/run/domus/xend.pid") + "/fd")),
    "undo": rows("SELECT operation, CAST(record AS TEXT) FROM undo"),
    "kept": rows("SELECT uuid FROM kept"),
}))
"""

#: the first words on each disk
_TICKS: Final = f"head -v -c 64 {FOLDER}/*.img | tr -d '\\0'"

#: processes of the host that are there before xend starts anything
_USUAL: Final = re.compile(
    r"^/usr/bin/busybox |/xenstored |/xenconsoled |-m domus\.(lab\.agent|daemon)|^(\S*/)?(sh|xl|xenstore-ls) "
)


@dataclass(frozen=True)
class Tick:
    """What a guest wrote onto its disk last."""

    boot: str  #: the id of its boot
    number: int


@dataclass(frozen=True)
class Traces:
    """One look."""

    sections: dict[str, list[str]]

    @classmethod
    def of(cls, host: LabHost) -> Traces:
        """Look now."""
        printed = host.run(["python3", "-c", _SCRIPT, STATE], within=600).stdout
        return cls(msgspec.json.decode(printed, type=dict[str, list[str]]))

    def store(self) -> dict[str, str]:
        """XenStore."""
        pairs = (line.partition(" = ") for line in self.sections["store"])
        return {path.strip(): value.strip('"') for path, _, value in pairs}

    def backends(self, kind: str) -> dict[tuple[int, int], str]:
        """The backends of a kind: path of each by domain id and number."""
        found = {}
        for path in self.store():
            if match := re.fullmatch(rf"(/local/domain/0/backend/{kind}/(\d+)/(\d+))", path):
                found[int(match[2]), int(match[3])] = match[1]
        return found


def ticks(host: LabHost) -> dict[str, Tick]:
    """What each guest has written last by now, by the name of its disk."""
    printed = host.run(["sh", "-c", _TICKS], within=600).stdout
    found = re.findall(r"==> \S*/([\w-]+)\.img <==\ntick (\S+) (\d+)\n", printed)
    return {name: Tick(boot, int(number)) for name, boot, number in found}


def leftovers(traces: Traces, infos: Iterable[DomainInfo], expected_files: Iterable[str]) -> list[str]:
    """What is there that should not be, one line each; `expected_files` may be there."""
    infos = list(infos)
    running = {info.domid: info.uuid for info in infos if info.domid is not None}
    alive = set(running)
    managed = {info.uuid for info in infos if info.managed}
    store = traces.store()
    found = [f"dying: {info}" for info in infos if info.dying]
    domids = {str(each) for each in alive}
    found += _difference("domains of xl", {line.split()[0] for line in traces.sections["domains"]}, domids)
    found += _difference("/local/domain", _ids(store, r"/local/domain/(\d+)"), domids)
    found += _difference("/libxl", _ids(store, r"/libxl/([1-9]\d*)"), domids - {"0"})
    uuids = _ids(store, r"/vm/([0-9a-f-]+)") - {running.get(0, "")}
    wanted = {uuid for domid, uuid in running.items() if domid} | managed
    found += _difference("/vm", uuids, wanted)
    backends = set(_ids(store, r"/local/domain/0/backend/\w+/(\d+)"))
    found += [f"backend of domain {each}" for each in backends if int(each) not in alive]
    disks = [store.get(f"{path}/params", "") for path in traces.backends("vbd").values()]
    loops = {line.split()[0] for line in traces.sections["loops"]}
    found += _difference("loop devices", loops, set(disks))
    vifs = {f"vif{domid}.{number}" for domid, number in traces.backends("vif")}
    found += _difference("bridge ports", {each for each in traces.sections["ports"] if each != "eth1"}, vifs)
    found += _difference("network devices", set(traces.sections["network"]), vifs)
    for name in traces.sections["libxl"]:
        if (match := re.match(r"userdata-\w\.(\d+)\.", name)) and int(match[1]) not in alive:
            found.append(f"libxl's file {name}")
    for line in traces.sections["processes"]:
        if not _USUAL.search(line):
            found.append(f"process {line}")
    known = set(expected_files)
    for path in traces.sections["files"]:
        if path.startswith(FOLDER) and path not in known:
            found.append(f"file {path}")
        if path.startswith(f"{STATE}/suspended/") and path not in known:
            found.append(f"file {path}")
        if path.endswith((".part", ".tmp", ".new")):
            found.append(f"half a file {path}")
    found += [f"to be undone: {line}" for line in traces.sections["undo"]]
    found += [f"kept of nobody: {each}" for each in traces.sections["kept"] if each not in running.values()]
    found += [f"xend has {each} open" for each in traces.sections["descriptors"] if _strange(each)]
    return found


def _ids(store: dict[str, str], pattern: str) -> set[str]:
    matches = (re.fullmatch(pattern, path) for path in store)
    return {match[1] for match in matches if match}


def _difference(what: str, found: set[str], wanted: set[str]) -> list[str]:
    too_much = [f"{what}: {each} should not be there" for each in sorted(found - wanted)]
    return too_much + [f"{what}: {each} is missing" for each in sorted(wanted - found)]


def _strange(target: str) -> bool:
    """A descriptor that xend has no use for while nothing is under way."""
    return target.startswith(("/dev/loop", FOLDER, f"{STATE}/suspended", f"{STATE}/blobs"))
