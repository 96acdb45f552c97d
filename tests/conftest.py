"""Real Xen for the tests: `lab_host` is a fresh host of the module's own, started from the template.

Environment: DOMUS_CACHE (images and templates, shared with everyday use), DOMUS_KEEP=1 (hosts of failed
modules stay up: `DOMUS_LAB=<the folder printed> xm lab shell NAME`).
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

from domus.lab import guest, hypervisor, image, paths
from domus.lab.host import LabHost
from domus.lab.record import Hypervisor, Shape, Suite
from domus.model.config import Disk, DomainConfig, Nic
from domus.model.errors import DomusError, ProgramFailed

# How long a test takes says nothing on a machine that others use.
hypothesis.settings.register_profile("domus", deadline=None)
hypothesis.settings.load_profile("domus")

RESULTS = Path(__file__).parent.parent / "test-results"

#: the processes that are there at two moments: now and then xend asks programs that soon end, mostly LVM's
_PROCESSES = (
    "look() { ps -eo comm= | grep -v -e kworker -e '^ps$' -e '^sh$' -e '^sort$' -e '^bash$' -e '^sleep$'"
    " -e '^grep$' -e '^[lv][gv]s$' -e udev-worker -e '^\\(xen-\\)\\?vif' -e kvif -e '\\.xvd' | sort; };"
    " a=$(mktemp) b=$(mktemp); look > $a; sleep 0.3; look > $b; comm -12 $a $b; rm $a $b"
)

#: what is looked at before and after a test that must leave nothing behind: a command and its name
TRACES = {
    "domains": "xl list | tail -n +2 | awk '{print $1, $2}'",
    "XenStore": "for d in /vm /libxl /local/domain; do xenstore-ls -f $d; done 2>/dev/null"
    " | grep -v -e '^/local/domain/0/memory' -e ' = \"\"$'",
    "loop devices": "ls -d /sys/block/*/loop/backing_file",
    "bridge ports": "ls /sys/class/net/xenbr0/brif",
    "network devices": "ls /sys/class/net",
    "processes": _PROCESSES,
}


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab of this test process: its own hosts, certificates and LAN, apart from the user's."""
    folder = tmp_path_factory.mktemp("lab", numbered=True)
    os.environ["DOMUS_LAB"] = str(folder)
    return folder


@pytest.fixture(scope="module")
def new_host(lab_folder: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., LabHost]]:
    """Starts a fresh host each time it is called, of the shape that it is given or the usual one; all of them
    go with the module.
    """
    assert paths.state_dir() == lab_folder
    started: list[LabHost] = []
    failures = request.session.testsfailed

    def start(shape: Shape | None = None) -> LabHost:
        stem = re.sub(r"[^a-z0-9]+", "-", Path(request.node.name).stem.removeprefix("test_"))[:20].strip("-")
        host = LabHost(f"{stem or 'host'}-{secrets.token_hex(3)}")
        started.append(host)
        host.up(shape)
        return host

    try:
        yield start
    finally:
        failed = request.session.testsfailed > failures
        for host in started:
            if failed:
                _keep_evidence(host, request.node.name)
            if failed and os.environ.get("DOMUS_KEEP"):
                print(f"kept: DOMUS_LAB={lab_folder} xm lab shell {host.name}")
                continue
            with suppress(DomusError):
                host.remove()


@pytest.fixture(scope="session")
def full_hypervisor() -> Shape:
    """A host with shadow paging and FLASK. Debian 12 has Xen's source where the mirror lacks newer ones."""
    shape = Shape(hypervisor=Hypervisor.FULL, suite=Suite(os.environ.get("DOMUS_SUITE") or Suite.BOOKWORM))
    try:
        hypervisor.wanted(image.wanted(suite=shape.suite))
    except ProgramFailed as error:
        if "cannot be had" not in error.what:
            raise
        pytest.skip(error.what)
    return shape


@pytest.fixture(scope="module")
def lab_host(new_host: Callable[[], LabHost]) -> LabHost:
    """A fresh Xen host with this tree's Domus in it, its xend answering."""
    return new_host()


@pytest.fixture(scope="session")
def small_guest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Kernel and initial RAM disk of the small guest, on the machine that runs the tests."""
    folder = guest.make(tmp_path_factory.mktemp("guest"))
    return folder / "kernel", folder / "initrd"


@pytest.fixture(scope="module")
def guest_config(lab_host: LabHost, small_guest: tuple[Path, Path]) -> DomainConfig:
    """The small guest with one file disk and one bridged card, ready to be created on `lab_host`."""
    client = lab_host.client()
    kernel, ramdisk = (client.put_blob(path) for path in small_guest)
    client.close()
    lab_host.run(["truncate", "-s", "16M", "/root/guest.img"])
    return DomainConfig(
        name="guest",
        memory_mib=96,
        kernel=kernel,
        ramdisk=ramdisk,
        cmdline="console=hvc0 quiet name=guest ip=10.77.0.100::10.77.0.1:255.255.255.0:guest:eth0:off",
        disks=(Disk(vdev="xvda", target="/root/guest.img"),),
        nics=(Nic(bridge="xenbr0"),),
    )


@pytest.fixture
def leaves_nothing(lab_host: LabHost) -> Iterator[None]:
    """The test ends with domains, XenStore, loop devices, bridge ports and processes as it found them."""
    before = traces(lab_host)
    yield
    check_traces(lab_host, before)


def traces(host: LabHost, *kinds: str) -> dict[str, list[str]]:
    """What a domain leaves behind on a host when it is not taken away cleanly, of all TRACES or of these."""
    script = "; echo ---; ".join(TRACES[kind] for kind in kinds or TRACES)
    parts = host.run(["sh", "-c", script], check=False).stdout.split("---\n")
    return {kind: part.splitlines() for kind, part in zip(kinds or TRACES, parts, strict=True)}


def check_traces(host: LabHost, before: dict[str, list[str]], *, but: tuple[str, ...] = ()) -> None:
    """The host is as it was, but for lines that have one of these words.

    What dom0 is still at when a test ends gets a while; what is left behind does not go by itself.
    """

    def changes() -> list[str]:
        found = []
        for kind, lines in traces(host, *before).items():
            was, now = (Counter(_without(but, each)) for each in (before[kind], lines))
            found += [f"{kind}: gone: {line}" for line in (was - now).elements()]
            found += [f"{kind}: new: {line}" for line in (now - was).elements()]
        return found

    until = time.monotonic() + 20
    while (found := changes()) and time.monotonic() < until:
        time.sleep(1)
    assert not found


def _without(words: tuple[str, ...], lines: list[str]) -> list[str]:
    return [line for line in lines if not any(word in line for word in words)]


def _keep_evidence(host: LabHost, module: str) -> None:
    """What one wants to see after a failure, in test-results/MODULE."""
    folder = RESULTS / Path(module).stem / host.name
    folder.mkdir(parents=True, exist_ok=True)
    commands = {
        "xend.log": "cat /var/log/xen/xend.log",
        "xl-dmesg.txt": "xl dmesg",
        "dom0-dmesg.txt": "dmesg",
        "domains.txt": "xl list",
        "xenstore.txt": "xenstore-ls -fp",
        "processes.txt": "ps -ef",
    }
    for name, command in commands.items():
        with suppress(DomusError):
            (folder / name).write_text(host.run(["sh", "-c", command], check=False, within=20).stdout)
    for name in ("console.log", "qemu.log"):
        with suppress(OSError):
            (folder / name).write_bytes((host.folder / name).read_bytes())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run when they are asked for: by `-m soak`, or by their own names."""
    if "soak" in config.getoption("markexpr") or any("::" in argument for argument in config.args):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
