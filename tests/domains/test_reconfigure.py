"""What becomes of a kept configuration when its domain is changed while it runs."""

from __future__ import annotations

from domus.devices import vif
from domus.domains.changes import ConfigChange, PinChange
from domus.model.config import Disk, DomainConfig, Nic, Scheduling

A, B, C = (Nic(mac=f"00:16:3e:00:00:0{digit}") for digit in "abc")
WEB = DomainConfig(name="web", disks=(Disk(vdev="xvda", target="/a"),), nics=(A, B, C))


def macs_by_number(config: DomainConfig) -> dict[int, str | None]:
    return dict(zip(vif.devids(config.nics), (nic.mac for nic in config.nics), strict=True))


def test_cards_keep_their_numbers_when_one_goes() -> None:
    assert macs_by_number(ConfigChange(without_nic=1).apply(WEB)) == {0: A.mac, 2: C.mac}
    assert macs_by_number(ConfigChange(without_nic=0).apply(ConfigChange(without_nic=1).apply(WEB))) == {
        2: C.mac
    }


def test_what_came_and_went_changes_nothing() -> None:
    for came, went in (
        (ConfigChange(nic=Nic(devid=3, mac="00:16:3e:00:00:0d")), ConfigChange(without_nic=3)),
        (ConfigChange(disk=Disk(vdev="xvdb", target="/b")), ConfigChange(without_disk=51728)),
    ):
        assert went.apply(came.apply(WEB)) == WEB


def test_a_disk_is_known_by_its_number_however_it_is_spelled() -> None:
    assert ConfigChange(without_disk=51712).apply(WEB).disks == ()
    other = Disk(vdev="51712", target="/other")
    assert ConfigChange(disk=other).apply(WEB).disks == (other,)


def test_a_card_takes_the_place_of_the_one_that_had_its_number() -> None:
    new = Nic(devid=1, mac="00:16:3e:00:00:0d")
    assert macs_by_number(ConfigChange(nic=new).apply(WEB)) == {0: A.mac, 1: new.mac, 2: C.mac}


def test_less_memory_leaves_room_to_grow_again() -> None:
    web = DomainConfig(name="web", memory_mib=128)
    less = ConfigChange(memory_mib=64).apply(web)
    assert (less.memory_mib, less.maxmem_mib) == (64, 128)
    assert (ConfigChange(memory_mib=256).apply(less).maxmem_mib) == 256
    lower = ConfigChange(maxmem_mib=96).apply(web)
    assert (lower.memory_mib, lower.maxmem_mib) == (96, 96)


def test_fewer_vcpus_can_come_back() -> None:
    web = DomainConfig(name="web", vcpus=4, avail_vcpus=(0, 2))
    fewer = ConfigChange(vcpus=2).apply(web)
    assert (fewer.vcpus, fewer.maxvcpus, fewer.avail_vcpus) == (2, 4, ())


def test_a_pinned_vcpu_leaves_the_others_where_they_may_run() -> None:
    pin = ConfigChange(pin=PinChange(vcpu=1, hard=(2, 3)))
    web = DomainConfig(name="web", vcpus=3)
    assert pin.apply(web).cpus == (None, (2, 3), None)
    bound = pin.apply(DomainConfig(name="web", vcpus=2, cpus_expressions=("node:1",)))
    assert (bound.cpus, bound.cpus_expressions) == ((), ("node:1", "2,3"))
    free = ConfigChange(pin=PinChange(hard=()))
    assert (free.apply(bound).cpus, free.apply(bound).cpus_expressions) == ((), ())
    assert pin.apply(DomainConfig(name="web")) == DomainConfig(name="web")


def test_parameters_of_the_scheduler_that_are_not_set_stay() -> None:
    web = DomainConfig(name="web", scheduling=Scheduling(weight=512))
    changed = ConfigChange(scheduling=Scheduling(cap=50)).apply(web)
    assert changed.scheduling == Scheduling(weight=512, cap=50)


def test_a_change_may_be_repeated() -> None:
    for change in (
        ConfigChange(memory_mib=64, maxmem_mib=96),
        ConfigChange(vcpus=2),
        ConfigChange(pin=PinChange(vcpu=0, hard=(1,), soft=())),
        ConfigChange(disk=Disk(vdev="xvdb", target="/b")),
        ConfigChange(nic=Nic(devid=7, mac=A.mac)),
        ConfigChange(without_nic=0),
    ):
        assert change.apply(change.apply(WEB)) == change.apply(WEB)
