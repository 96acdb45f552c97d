"""A PV, a PVH and an HVM guest: what can be done with a domain can be done with each of them.

Each guest is started once and goes through all of it; `xl` on the same host is the second opinion.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from domus.model.api import DumpRequest, ShutdownKind
from domus.model.config import Action, Disk, DomainConfig, GuestType, Hvm, Nic, Vnc
from domus.model.errors import WrongState
from domus.model.scheduling import SchedulingRequest
from domus.model.vcpus import PinRequest
from tests.conftest import check_traces, traces
from tests.domains.cores import check_core
from tests.domains.guests import boot_id, create, eventually, in_guest, read_until_up, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

# Not seen to pass whole yet: the machine at hand was too busy to boot Linux in an HVM guest in time.
pytestmark = [pytest.mark.lab, pytest.mark.soak]

ADDRESS = "10.77.0.100"
#: on a network of its own: guests answer for each of their addresses on any card, which guards do not pass
DOM0_SECOND, SECOND_ADDRESS = "10.78.0.1", "10.78.0.2"
EXTRA, SAVED, CORE = "/root/extra.img", "/root/guest.save", "/root/guest.core"
CPUS = "/sys/devices/system/cpu"


class Guest(NamedTuple):
    """A guest that runs, and where."""

    name: str
    kind: GuestType
    client: Client
    host: LabHost

    def run(self, command: str) -> str:
        """What a command prints in it."""
        return in_guest(self.client, self.name, command)

    def check_core(self, path: str) -> None:
        """A dump of it is as it should be."""
        # VCPUs that were offline when it was saved have no registers afterwards.
        check_core(
            self.host,
            path,
            vcpus=(1, 2) if self.kind is GuestType.HVM else (1,),
            hvm=self.kind is not GuestType.PV,
        )

    def memory_mib(self) -> int:
        return int(self.run("awk '/MemTotal/ {print $2}' /proc/meminfo")) // 1024

    def xl_row(self, *words: str) -> list[str]:
        """The words of its row in a table of xl's."""
        lines = self.host.run(["xl", *words]).stdout.splitlines()
        return next(line.split() for line in lines if line.startswith(f"{self.name} "))


@pytest.fixture(scope="module", params=list(GuestType), ids=str)
def guest(request: pytest.FixtureRequest, lab_host: LabHost, guest_config: DomainConfig) -> Iterator[Guest]:
    """The guest, up, with room to grow; once it is gone the host is as it was before."""
    kind: GuestType = request.param
    config = replace(
        guest_config,
        name=str(kind),
        guest_type=kind,
        memory_mib=128,
        maxmem_mib=192,
        vcpus=1 if kind is GuestType.HVM else 2,
        maxvcpus=2,
        on_crash=Action.COREDUMP_RESTART,
        hvm=Hvm(vnc=Vnc(enable=True)) if kind is GuestType.HVM else None,
    )
    lab_host.run(["truncate", "-s", "16M", EXTRA])
    with lab_host.client() as client:
        before = traces(lab_host)
        create(client, config)
        wait_until_up(client, config.name)
        yield Guest(config.name, kind, client, lab_host)
        client.finish(client.destroy(config.name))
        check_traces(lab_host, before)


def test_it_has_booted_as_what_it_shall_be(guest: Guest) -> None:
    assert guest.run("cat /sys/hypervisor/guest_type").lower() == guest.kind
    assert guest.run("cat /proc/partitions").endswith("xvda")
    guest.host.run(["ping", "-c", "1", "-W", "5", ADDRESS])
    assert guest.client.domain(guest.name).guest_type is guest.kind


def test_a_paused_guest_stands_still(guest: Guest) -> None:
    guest.client.pause(guest.name)
    # A VCPU that waits for an event goes on to wait: Xen says blocked and paused then.
    assert guest.xl_row("list")[4] in ("--p---", "-bp---")
    assert guest.client.domain(guest.name).paused
    used = guest.client.domain(guest.name).cpu_time_ns
    assert guest.host.run(["ping", "-c", "1", "-W", "1", ADDRESS], check=False).status != 0
    assert guest.client.domain(guest.name).cpu_time_ns == used
    guest.client.unpause(guest.name)
    guest.host.run(["ping", "-c", "1", "-W", "5", ADDRESS])


def test_memory_goes_up_and_down_and_the_guest_agrees(guest: Guest) -> None:
    before = guest.memory_mib()
    guest.client.memory.set_target(guest.name, 176)
    eventually(lambda: abs(guest.memory_mib() - before - 48) <= 2)
    guest.client.memory.set_target(guest.name, 116)
    eventually(lambda: abs(guest.memory_mib() - before + 12) <= 2)
    shown = guest.client.domain(guest.name).shown_memory_mib
    eventually(lambda: int(guest.xl_row("list")[2]) == shown)
    guest.client.memory.set_target(guest.name, 128)


def test_vcpus_go_and_come_and_the_guest_agrees(guest: Guest) -> None:
    if guest.kind is GuestType.HVM:
        # QEMU plugs CPUs in, and never out.
        assert guest.run(f"cat {CPUS}/online") == "0"
        plug_in_second(guest)
        with pytest.raises(WrongState, match="cannot be taken away while it runs"):
            guest.client.vcpus.set_online(guest.name, 1)
        assert [vcpu.online for vcpu in guest.client.vcpus.of(guest.name).domains[0].vcpus] == [True, True]
        guest.run(f"echo 0 > {CPUS}/cpu1/online")
        return
    assert guest.run(f"cat {CPUS}/online") == "0-1"
    take_second_away(guest)
    plug_in_second(guest)
    take_second_away(guest)  # of two emulated CPUs each waits for the other most of its time


def plug_in_second(guest: Guest) -> None:
    guest.client.vcpus.set_online(guest.name, 2)
    eventually(lambda: guest.run(f"cat {CPUS}/present") == "0-1")
    # Linux has the VCPU; to use it is left to udev, which this guest has not.
    assert guest.run(f"echo 1 > {CPUS}/cpu1/online; cat {CPUS}/online") == "0-1"
    assert guest.xl_row("list")[3] == "2"


def take_second_away(guest: Guest) -> None:
    guest.client.vcpus.set_online(guest.name, 1)
    eventually(lambda: guest.run(f"cat {CPUS}/online") == "0")
    assert guest.xl_row("list")[3] == "1"


def test_pins_and_weights_are_read_back_by_xl(guest: Guest) -> None:
    guest.client.vcpus.pin(guest.name, PinRequest(hard="1", soft="0"))
    assert guest.xl_row("vcpu-list", guest.name)[6:] == ["1", "/", "0"]
    guest.client.vcpus.pin(guest.name, PinRequest(hard="all", soft="all"))
    guest.client.scheduling.set_domain(guest.name, SchedulingRequest(scheduler="credit2", weight=512))
    assert guest.xl_row("sched-credit2")[2] == "512"


def test_a_disk_comes_is_written_and_goes(guest: Guest) -> None:
    guest.client.finish(guest.client.devices.attach_disk(guest.name, Disk(vdev="xvdb", target=EXTRA)))
    eventually(lambda: "xvdb" in guest.run("cat /proc/partitions"))
    written = guest.run("dd if=/dev/urandom of=/dev/xvdb bs=1M count=2 2>&-; sync; sha256sum < /dev/xvdb")
    guest.client.finish(guest.client.devices.detach_disk(guest.name, "xvdb"))
    assert guest.host.run(["sh", "-c", f"sha256sum < {EXTRA}"]).stdout.strip() == written
    eventually(lambda: "xvdb" not in guest.run("cat /proc/partitions"))


def test_a_card_comes_is_used_and_goes(guest: Guest) -> None:
    guest.host.run(["ip", "addr", "replace", f"{DOM0_SECOND}/24", "dev", "xenbr0"])
    # dom0 still knows the card of the guest before, which had the same address
    guest.host.run(["ip", "neigh", "flush", "dev", "xenbr0"])
    guest.client.finish(guest.client.devices.attach_nic(guest.name, Nic(bridge="xenbr0")))
    eventually(lambda: "eth1" in guest.run("ls /sys/class/net"))
    guest.run(f"ifconfig eth1 {SECOND_ADDRESS} netmask 255.255.255.0 up")
    guest.host.run(["ping", "-c", "2", "-W", "5", SECOND_ADDRESS])
    guest.client.finish(guest.client.devices.detach_nic(guest.name, "1"))
    eventually(lambda: "eth1" not in guest.run("ls /sys/class/net"))
    guest.host.run(["ip", "addr", "del", f"{DOM0_SECOND}/24", "dev", "xenbr0"])


def test_a_sysrq_shows_in_the_console(guest: Guest) -> None:
    guest.client.debugging.sysrq(guest.name, "s")
    eventually(lambda: "sysrq: Emergency Sync" in guest.run("dmesg"))


def test_it_goes_on_where_it_was_saved(guest: Guest) -> None:
    boot, domid = boot_id(guest.client, guest.name), guest.client.domain(guest.name).domid
    config = guest.client.config(guest.name)
    guest.run("echo kept > /kept")
    guest.client.finish(guest.client.saving.save(guest.name, SAVED))
    assert "qemu" not in guest.host.run(["ps", "-eo", "args"]).stdout
    guest.client.finish(guest.client.saving.restore(SAVED))
    guest.host.run(["rm", SAVED])
    assert guest.client.domain(guest.name).domid != domid
    assert boot_id(guest.client, guest.name) == boot
    assert guest.client.config(guest.name) == config
    assert guest.run("cat /kept") == "kept"
    guest.run("dd if=/dev/xvda of=/dev/null bs=1M iflag=direct 2>&-")
    guest.host.run(["ping", "-c", "1", "-W", "5", ADDRESS])


def test_a_dump_of_it_has_xens_notes_and_its_pages(guest: Guest) -> None:
    guest.run("echo known to the guest alone | sha256sum > /known")
    dump = guest.client.finish(guest.client.saving.dump_core(guest.name, DumpRequest(path=CORE)))
    assert dump.path == CORE
    guest.check_core(CORE)
    known = hashlib.sha256(b"known to the guest alone\n").hexdigest()
    assert guest.host.run(["grep", "-c", known, CORE]).stdout.strip() != "0"
    guest.host.run(["rm", CORE])
    guest.run("true")


def test_it_crashes_is_dumped_and_comes_again(guest: Guest) -> None:
    if guest.kind is GuestType.HVM:
        pytest.skip("Linux in an HVM guest that panicked was seen to end by a reboot: why is not known yet")
    before = guest.client.domain(guest.name)
    with guest.client.console(guest.name, scrollback=False) as console:
        console.send(b"echo c > /proc/sysrq-trigger\n")
        read_until_up(console)
    assert guest.client.domain(guest.name).domid != before.domid
    (path,) = guest.host.run(["sh", "-c", f"ls /var/xen/dump/{guest.name}/*"]).stdout.split()
    assert path.endswith(f"-{guest.name}.{before.domid}.core")
    guest.check_core(path)
    guest.host.run(["rm", "-r", f"/var/xen/dump/{guest.name}"])


def test_it_reboots_and_is_the_same(guest: Guest) -> None:
    before, boot = guest.client.domain(guest.name), boot_id(guest.client, guest.name)
    with guest.client.console(guest.name, write=False, scrollback=False) as console:
        guest.client.shutdown(guest.name, ShutdownKind.REBOOT)
        read_until_up(console)  # the stream goes on with the next boot
    after = guest.client.domain(guest.name)
    assert after.domid != before.domid
    assert after.uuid == before.uuid
    assert boot_id(guest.client, guest.name) != boot


def test_it_powers_off_and_leaves_nothing(guest: Guest) -> None:
    config = guest.client.config(guest.name)
    guest.client.shutdown(guest.name)
    eventually(lambda: guest.name not in [info.name for info in guest.client.domains()])
    processes = guest.host.run(["ps", "-eo", "args"]).stdout
    assert not re.search("qemu", processes)
    create(guest.client, config, paused=True)  # the next one is destroyed, by the fixture
