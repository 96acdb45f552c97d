"""Claims about the libxl binding, checked in domain 0 on the real library and hypervisor."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from domus.model.errors import BadInput, DomainNotFound, DomusError, LibxlError
from domus.xen.console import ConsolePty
from domus.xen.libxl import Libxl

_kernel = _ramdisk = ""
_libxl: Libxl
_NOBODY = 7777


def begin(kernel: str, ramdisk: str) -> None:
    """Say which guest to build."""
    global _kernel, _ramdisk, _libxl
    _kernel, _ramdisk = kernel, ramdisk
    _libxl = Libxl.open()


def document(name: str, **build: Any) -> dict[str, Any]:
    ramdisk = {"ramdisk": _ramdisk} if _ramdisk else {}
    return {
        "c_info": {
            "type": "pv",
            "name": name,
            "uuid": str(uuid.uuid4()),
        },
        "b_info": {
            "max_vcpus": 1,
            "avail_vcpus": [0],
            "max_memkb": 131072,
            "target_memkb": 131072,
            "kernel": _kernel,
            "cmdline": "console=hvc0",
            "type.pv": {},
            **ramdisk,
            **build,
        },
    }


@contextmanager
def guest(name: str) -> Iterator[int]:
    domid = _libxl.create(document(name))
    try:
        yield domid
    finally:
        with suppress(DomainNotFound):
            _libxl.destroy(domid)


def raised(kind: type[DomusError], call: Callable[..., object], *arguments: object) -> DomusError:
    try:
        call(*arguments)
    except kind as error:
        assert "\n" not in error.for_user()
        return error
    raise AssertionError(f"{call} did not raise {kind}")


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def domids() -> list[int]:
    return [domain["domid"] for domain in _libxl.list_domains() if not domain["dying"]]


def check_the_host_is_what_xl_says() -> None:
    said = dict(line.split(":", 1) for line in output("xl", "info").splitlines() if ":" in line)
    said = {key.strip(): value.strip() for key, value in said.items()}
    version, physical = _libxl.version(), _libxl.physinfo()
    assert str(version["xen_version_major"]) == said["xen_major"]
    assert version["commandline"].strip() == said["xen_commandline"]
    assert str(physical["nr_cpus"]) == said["nr_cpus"]
    assert str(physical["total_pages"] // 256) == said["total_memory"]
    assert _libxl.scheduler() == said["xen_scheduler"]
    assert str(_libxl.free_cpus()) == said["free_cpus"]
    assert 0 < _libxl.free_memory_kib() <= physical["free_pages"] * 4
    assert _libxl.cpupool_name(0) == "Pool-0"


def check_cpus_and_nodes_are_what_xl_says() -> None:
    said = output("xl", "info", "-n").splitlines()
    start = said.index("cpu:    core    socket     node") + 1
    cpus = _libxl.cpu_topology()
    for number, cpu in enumerate(cpus):
        words = said[start + number].replace(":", " ").split()
        assert words == [str(value) for value in (number, cpu["core"], cpu["socket"], cpu["node"])]
    (node,) = _libxl.numa_nodes()
    assert node["dists"] == [10]
    assert 0 < node["free"] < node["size"]
    assert _libxl.free_cpu_numbers() == []


def check_vcpus_are_bound_and_unbound() -> None:
    with guest("bound") as domid:
        (vcpu,) = _libxl.list_vcpus(domid)
        assert (vcpu["vcpuid"], vcpu["online"]) == (0, True)
        _libxl.set_affinity(domid, 0, hard=[1], soft=None)
        assert _libxl.list_vcpus(domid)[0]["cpumap"] == [1]
        _libxl.set_affinity(domid, 0, hard=[0, 1], soft=[0])
        (vcpu,) = _libxl.list_vcpus(domid)
        assert (vcpu["cpumap"], vcpu["cpumap_soft"]) == ([0, 1], [0])
        raised(LibxlError, lambda: _libxl.set_affinity(domid, 0, hard=[4000], soft=None))
        _libxl.set_domain_scheduling(domid, {"sched": "credit2", "weight": 77})
        assert _libxl.domain_scheduling(domid) == {"sched": "credit2", "weight": 77, "cap": 0}
        raised(LibxlError, _libxl.set_domain_scheduling, domid, {"sched": "credit2", "weight": 100_000})
        raised(LibxlError, _libxl.set_max_memory, domid, 1024)
    raised(DomainNotFound, _libxl.list_vcpus, _NOBODY)
    raised(DomainNotFound, _libxl.set_vcpus_online, _NOBODY, 1)
    raised(DomainNotFound, _libxl.domain_scheduling, _NOBODY)


def check_xens_messages_can_be_read() -> None:
    _libxl.send_debug_keys("h")
    assert "(XEN)" in _libxl.read_console_ring()


def check_a_guest_lives_from_create_to_destroy() -> None:
    with guest("life") as domid:
        info = _libxl.domain_info(domid)
        assert info is not None
        assert info["paused"]
        assert (info["domain_type"], _libxl.domain_type(domid)) == ("pv", "pv")
        assert _libxl.domid_to_name(domid) == "life"
        assert _libxl.retrieve_config(domid)["c_info"]["uuid"] == info["uuid"]
        listed = {domain["domid"]: domain["uuid"] for domain in _libxl.list_domains()}
        by_xl = json.loads(output("xl", "list", "-l"))
        assert sorted(listed) == sorted(domain["domid"] for domain in by_xl)
        assert listed[domid] == info["uuid"]
        _libxl.rename(domid, "renamed", old="life")
        assert _libxl.domid_to_name(domid) == "renamed"
        _libxl.unpause(domid)
        assert b"Linux version" in console_output(domid, b"Linux version")
        _libxl.pause(domid)
        _libxl.destroy(domid)
        assert domid not in domids()


def console_output(domid: int, until: bytes) -> bytes:
    seen, end = b"", time.monotonic() + 40
    with ConsolePty.open(tty_of(domid)) as console:
        while until not in seen and time.monotonic() < end:
            seen += console.read() or b""
            time.sleep(0.05)
    return seen


def tty_of(domid: int) -> str:
    # xenconsoled writes the path a moment after the domain is there.
    for _ in range(50):
        with suppress(LibxlError):
            return _libxl.console_tty(domid)
        time.sleep(0.1)
    return _libxl.console_tty(domid)


def check_a_domain_that_is_not_there_is_domain_not_found() -> None:
    assert _libxl.domain_info(_NOBODY) is None
    assert _libxl.domid_to_name(_NOBODY) is None
    for call in (
        _libxl.pause,
        _libxl.unpause,
        _libxl.shutdown,
        _libxl.reboot,
        _libxl.destroy,
        _libxl.domain_type,
        _libxl.console_tty,
    ):
        assert raised(DomainNotFound, call, _NOBODY).what == f"Domain '{_NOBODY}' does not exist."
    raised(DomainNotFound, _libxl.set_memory_target, _NOBODY, 1024)
    raised(DomainNotFound, _libxl.rename, _NOBODY, "x")
    raised(DomainNotFound, _libxl.send_trigger, _NOBODY, "power")
    raised(DomainNotFound, _libxl.send_sysrq, _NOBODY, "s")
    raised(BadInput, _libxl.send_trigger, _NOBODY, "nonsense")
    raised(BadInput, _libxl.send_sysrq, _NOBODY, "ss")
    assert subprocess.run(["xenstore-exists", f"/local/domain/{_NOBODY}"]).returncode


def check_a_failed_create_says_why_and_leaves_nothing() -> None:
    before, free = domids(), _libxl.free_memory_kib()
    error = raised(LibxlError, _libxl.create, document("bad", kernel="/not/there"))
    assert "/not/there" in error.what
    assert "No such file or directory" in error.what
    assert ".c:" not in error.what
    raised(LibxlError, _libxl.create, document("bad", kernel="/etc/passwd"))
    assert domids() == before
    wait_for(lambda: _libxl.free_memory_kib() == free)


def check_what_libxl_drops_from_a_configuration_is_seen() -> None:
    understood = _libxl.check_config(document("x", no_such_key=1, cmdline="seen"))
    assert understood["b_info"]["cmdline"] == "seen"
    assert "no_such_key" not in understood["b_info"]
    raised(LibxlError, _libxl.check_config, document("x", max_memkb=-1))
    assert _libxl.need_memory_kib(document("x")) >= 131072


def check_lists_ask_again_for_what_has_changed_and_for_nothing_else() -> None:
    with guest("still") as still, guest("changing") as changing:

        def listed() -> dict[int, dict[str, Any]]:
            there = {domain["domid"]: domain for domain in _libxl.list_domains()}
            fresh = Libxl.open()
            asked = [domain for domain in fresh.list_domains() if domain["domid"]]
            fresh.close()
            # Domain 0 works, and is another one at each look.
            assert [domain for domid, domain in there.items() if domid] == asked
            return there

        for _ in range(3):
            before = listed()
        assert before[0] is not listed()[0]
        _libxl.set_max_memory(changing, 140 * 1024)
        after = listed()
        assert after[changing]["max_memkb"] != before[changing]["max_memkb"]
        assert after[still] is before[still]
        with guest("coming") as coming:
            now = listed()
            assert now[coming]["paused"]
            assert now[still] is before[still]
        _libxl.rename(still, "renamed", old="still")
        _libxl.destroy(changing)
        wait_for(lambda: changing not in domids())


def check_create_does_not_block_a_list_nor_take_our_children() -> None:
    made: list[int] = []
    creates = [
        threading.Thread(target=lambda name=name: made.append(_libxl.create(document(name))))
        for name in ("one", "two")
    ]
    for create in creates:
        create.start()
    lists = []
    while any(create.is_alive() for create in creates):
        start = time.monotonic()
        _libxl.list_domains()
        lists.append(time.monotonic() - start)
        assert subprocess.run(["sh", "-c", "exit 7"]).returncode == 7
    try:
        assert len(made) == 2
        assert len(lists) >= 5
        assert sorted(lists)[len(lists) // 2] < 0.5, lists
    finally:
        for domid in made:
            _libxl.destroy(domid)


def check_calls_leak_no_descriptor_and_a_closed_libxl_none() -> None:
    other = Libxl.open()
    other.list_domains()  # what stays open is opened by the first
    opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(50):
        raised(DomainNotFound, other.pause, _NOBODY)
        other.list_domains()
    assert len(os.listdir("/proc/self/fd")) == opened  # noqa: PTH208
    other.close()
    other.close()
    assert len(os.listdir("/proc/self/fd")) < opened  # noqa: PTH208


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)
