"""What becomes of a kept configuration when devices of its domain come and go."""

from __future__ import annotations

from domus.devices import vif
from domus.domains.reconfigure import with_disk, with_nic, without_disk, without_nic
from domus.model.config import Disk, DomainConfig, Nic

A, B, C = (Nic(mac=f"00:16:3e:00:00:0{digit}") for digit in "abc")
WEB = DomainConfig(name="web", disks=(Disk(vdev="xvda", target="/a"),), nics=(A, B, C))


def macs_by_number(config: DomainConfig) -> dict[int, str | None]:
    return dict(zip(vif.devids(config.nics), (nic.mac for nic in config.nics), strict=True))


def test_cards_keep_their_numbers_when_one_goes() -> None:
    assert macs_by_number(without_nic(1)(WEB)) == {0: A.mac, 2: C.mac}
    assert macs_by_number(without_nic(0)(without_nic(1)(WEB))) == {2: C.mac}


def test_what_came_and_went_changes_nothing() -> None:
    assert without_nic(3)(with_nic(Nic(devid=3, mac="00:16:3e:00:00:0d"))(WEB)) == WEB
    assert without_disk(51728)(with_disk(Disk(vdev="xvdb", target="/b"))(WEB)) == WEB


def test_a_disk_is_known_by_its_number_however_it_is_spelled() -> None:
    assert without_disk(51712)(WEB).disks == ()
    other = Disk(vdev="51712", target="/other")
    assert with_disk(other)(WEB).disks == (other,)


def test_a_card_takes_the_place_of_the_one_that_had_its_number() -> None:
    new = Nic(devid=1, mac="00:16:3e:00:00:0d")
    assert macs_by_number(with_nic(new)(WEB)) == {0: A.mac, 1: new.mac, 2: C.mac}
