"""Devices as the arguments of a command name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.config import alone
from domus.config.problems import Finding, InvalidConfig
from domus.model.config import Disk, DiskFormat, Nic, PciDevice


@pytest.mark.parametrize(
    ("text", "disk"),
    [
        ("phy:vg0/web,xvdb,w", Disk(vdev="xvdb", target="/dev/vg0/web")),
        ("file:/srv/a.img,/dev/xvdb,r", Disk(vdev="xvdb", target="/srv/a.img", writable=False)),
        ("file:/a.img,xvdb,w!,back", Disk(vdev="xvdb", target="/a.img", shared=True, backend_domain="back")),
        ("tap:qcow2:/srv/a,hdb,w", Disk(vdev="hdb", target="/srv/a", format=DiskFormat.QCOW2)),
        ("/srv/a.img,raw,xvdb,w", Disk(vdev="xvdb", target="/srv/a.img")),
        ("vdev=xvdb,access=ro,target=/srv/a", Disk(vdev="xvdb", target="/srv/a", writable=False)),
        ("lun:domus-1,xvdb,w", Disk(vdev="xvdb", target="lun:domus-1")),
    ],
)
def test_a_disk_in_xms_words_and_in_xls(text: str, disk: Disk) -> None:
    assert alone.disk(text) == disk


def test_a_relative_path_begins_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.img").touch()
    assert alone.disk("file:a.img,xvdb,w", directory=tmp_path).target == str(tmp_path / "a.img")
    with pytest.raises(InvalidConfig, match=r"'a\.img' is not an absolute path"):
        alone.disk("file:a.img,xvdb,w")


def test_a_card_and_what_is_doubtful_about_it() -> None:
    said: list[Finding] = []
    nic = alone.nic("mac=00:16:3E:00:00:01,bridge=xenbr0,accel=x", warn=said.append)
    assert nic == Nic(mac="00:16:3e:00:00:01", bridge="xenbr0")
    assert [finding.what for finding in said] == ["vif: accel= has no meaning on today's Xen; ignored"]
    assert alone.nic("") == Nic()


def test_functions_of_a_pci_device() -> None:
    assert alone.pci("07:00.0-1") == [
        PciDevice(bus=7, function=1),
        PciDevice(bus=7, function=0),
    ]
    with pytest.raises(InvalidConfig, match="is not a PCI address"):
        alone.pci("seven")
