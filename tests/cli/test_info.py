"""`xm info`: old keys first and in their order, new ones behind them."""

from __future__ import annotations

import pytest

from domus.cli.info import text, value_of
from domus.model.errors import BadInput
from domus.model.host import HostInfo
from domus.model.topology import HostCpu, HostDevice, HostNode, HostTopology

HOST = HostInfo(
    host="dom0",
    release="6.12.48-amd64",
    version="#1 SMP PREEMPT_DYNAMIC Debian",
    machine="x86_64",
    nr_cpus=2,
    max_cpu_id=1,
    nr_nodes=1,
    cores_per_socket=2,
    threads_per_core=1,
    cpu_mhz=2992.123,
    hw_caps="bfebfbff:20100800",
    virt_caps="pv hvm hap",
    total_memory=1535,
    free_memory=700,
    free_cpus=0,
    xen_major=4,
    xen_minor=20,
    xen_extra=".2-pre",
    xen_version="4.20.2-pre",
    xen_caps="xen-3.0-x86_64 hvm-3.0-x86_64 ",
    xen_scheduler="credit2",
    xen_pagesize=4096,
    platform_params="virt_start=0xffff800000000000",
    xen_changeset="",
    xen_commandline="console=com1",
    cc_compiler="gcc 14.2.0",
    cc_compile_by="pkg-xen-devel",
    cc_compile_domain="lists.alioth.debian.org",
    cc_compile_date="Sat Sep  6 2025",
    xend_version="0.1.0",
)


def test_the_lines_are_xms_then_what_is_new() -> None:
    assert text(HOST) == (
        "host                   : dom0\n"
        "release                : 6.12.48-amd64\n"
        "version                : #1 SMP PREEMPT_DYNAMIC Debian\n"
        "machine                : x86_64\n"
        "nr_cpus                : 2\n"
        "nr_nodes               : 1\n"
        "cores_per_socket       : 2\n"
        "threads_per_core       : 1\n"
        "cpu_mhz                : 2992\n"
        "hw_caps                : bfebfbff:20100800\n"
        "virt_caps              : pv hvm hap\n"
        "total_memory           : 1535\n"
        "free_memory            : 700\n"
        "free_cpus              : 0\n"
        "xen_major              : 4\n"
        "xen_minor              : 20\n"
        "xen_extra              : .2-pre\n"
        "xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_64 \n"
        "xen_scheduler          : credit2\n"
        "xen_pagesize           : 4096\n"
        "platform_params        : virt_start=0xffff800000000000\n"
        "xen_changeset          : (none)\n"
        "xen_commandline        : console=com1\n"
        "cc_compiler            : gcc 14.2.0\n"
        "cc_compile_by          : pkg-xen-devel\n"
        "cc_compile_domain      : lists.alioth.debian.org\n"
        "cc_compile_date        : Sat Sep  6 2025\n"
        "xend_config_format     : 4\n"
        "max_cpu_id             : 1\n"
        "sharing_freed_memory   : 0\n"
        "sharing_used_memory    : 0\n"
        "outstanding_claims     : 0\n"
        "xen_version            : 4.20.2-pre\n"
        "build_id               : (none)\n"
        "xend_version           : 0.1.0\n"
    )


def test_a_key_gives_its_value_alone() -> None:
    assert value_of(HOST, "free_memory") == "700"


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput) as caught:
        value_of(HOST, "free_mem")
    assert caught.value.for_user() == "'xm info' has no key 'free_mem' (did you mean free_memory?)"


def test_the_topology_stands_after_the_free_cpus_in_xls_tables() -> None:
    topology = HostTopology(
        cpus=(HostCpu(cpu=0, core=0, socket=0, node=0), HostCpu(cpu=1, core=1, socket=0, node=1)),
        nodes=(
            HostNode(node=0, memory_mib=1535, free_mib=748, distances=(10, 20)),
            HostNode(node=1, memory_mib=16384, free_mib=0, distances=(20, 10)),
        ),
        devices=(HostDevice(address="0000:00:02.0", node=1),),
    )
    lines = text(HOST, topology).splitlines()
    start = lines.index("free_cpus              : 0") + 1
    assert lines[start : start + 11] == [
        "cpu_topology           :",
        "cpu:    core    socket     node",
        "  0:       0        0        0",
        "  1:       1        0        1",
        "device topology        :",
        "device           node",
        "0000:00:02.0      1",
        "numa_info              :",
        "node:    memsize    memfree    distances",
        "   0:      1535        748      10,20",
        "   1:     16384          0      20,10",
    ]
    assert lines[start + 11].startswith("xen_major")
