"""`xm list --long`: the forms that scripts read, and `xm create -F` too."""

from __future__ import annotations

import msgspec
import pytest

from domus.cli.long import form
from domus.config import load_text
from domus.config.sxp.printer import pretty
from domus.model.config import GuestType
from domus.model.domain import DomainInfo, RunState, ShutdownReason

DOM0 = DomainInfo(
    name="Domain-0",
    domid=0,
    uuid="00000000-0000-0000-0000-000000000000",
    state=RunState.RUNNING,
    running=True,
    memory_kib=1024 << 10,
    max_kib=16777215 << 10,
    vcpus=4,
    max_vcpus=4,
    cpu_time_ns=4_173_600_000_000,
)
GUEST1 = DomainInfo(
    name="guest1",
    domid=3,
    uuid="6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10",
    state=RunState.BLOCKED,
    blocked=True,
    memory_kib=511 << 10,
    target_kib=512 << 10,
    max_kib=513 << 10,
    vcpus=2,
    max_vcpus=2,
    cpu_time_ns=12_300_000_000,
)
CONFIG = load_text(
    'name = "guest1"\n'
    'uuid = "6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10"\n'
    'kernel = "/boot/vmlinuz"\n'
    'root = "/dev/xvda1 ro"\n'
    "memory = 512\n"
    "vcpus = 2\n"
    'disk = ["phy:/dev/vg0/guest1,xvda,w"]\n'
    'vif = ["bridge=xenbr0,mac=00:16:3e:1b:e8:18"]\n'
).config


def test_a_domain_that_xend_made_has_its_configuration_and_how_it_is_now() -> None:
    assert pretty(form(GUEST1, CONFIG)) == (
        "(domain\n"
        "    (domid 3)\n"
        "    (name guest1)\n"
        "    (memory 512)\n"
        "    (on_poweroff destroy)\n"
        "    (on_reboot restart)\n"
        "    (on_crash restart)\n"
        "    (vcpus 2)\n"
        "    (uuid 6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10)\n"
        "    (pool_name Pool-0)\n"
        "    (cpu_time 12.3)\n"
        "    (online_vcpus 2)\n"
        "    (image (linux (kernel /boot/vmlinuz) (args 'root=/dev/xvda1 ro')))\n"
        "    (status 2)\n"
        "    (state -b----)\n"
        "    (device (vbd (uname phy:/dev/vg0/guest1) (dev xvda) (mode w)))\n"
        "    (device (vif (bridge xenbr0) (mac 00:16:3e:1b:e8:18)))\n"
        ")\n"
    )


def test_the_form_can_be_created_from_again() -> None:
    loaded = load_text(pretty(form(GUEST1, CONFIG)))
    assert loaded.warnings == []
    assert loaded.config == msgspec.structs.replace(CONFIG, cpupool="Pool-0")


def test_domain_0_has_a_form_of_what_xen_knows() -> None:
    assert pretty(form(DOM0, None)) == (
        "(domain\n"
        "    (domid 0)\n"
        "    (name Domain-0)\n"
        "    (memory 1024)\n"
        "    (maxmem 16777215)\n"
        "    (vcpus 4)\n"
        "    (uuid 00000000-0000-0000-0000-000000000000)\n"
        "    (pool_name Pool-0)\n"
        "    (cpu_time 4173.6)\n"
        "    (online_vcpus 4)\n"
        "    (image (linux))\n"
        "    (status 2)\n"
        "    (state r-----)\n"
        ")\n"
    )


def test_a_domain_that_xl_made_has_one_too() -> None:
    other = msgspec.structs.replace(
        GUEST1, guest_type=GuestType.HVM, security_label="system_u:system_r:domU_t"
    )
    text = pretty(form(other, None))
    assert "    (maxmem 513)\n" in text
    assert "    (security_label system_u:system_r:domU_t)\n    (image (hvm))\n" in text
    assert "device" not in text


def test_a_domain_that_does_not_run_has_neither_id_nor_state() -> None:
    halted = DomainInfo(name="guest1", uuid=GUEST1.uuid, state=RunState.HALTED, managed=True)
    text = pretty(form(halted, CONFIG))
    assert "    (status 0)\n" in text
    for absent in ("domid", "(state ", "cpu_time", "online_vcpus", "pool_name"):
        assert absent not in text


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        (RunState.PAUSED, ShutdownReason.NONE, 1),
        (RunState.RUNNING, ShutdownReason.NONE, 2),
        (RunState.SHUTDOWN, ShutdownReason.SUSPEND, 3),
        (RunState.SHUTDOWN, ShutdownReason.POWEROFF, 4),
        (RunState.DYING, ShutdownReason.POWEROFF, 4),
        (RunState.CRASHED, ShutdownReason.CRASH, 5),
    ],
)
def test_status_is_xends_number(state: RunState, reason: ShutdownReason, status: int) -> None:
    shutdown = reason is not ShutdownReason.NONE
    domain = msgspec.structs.replace(GUEST1, state=state, shutdown=shutdown, shutdown_reason=reason)
    assert ["status", status] in form(domain, None)
