"""Disk specifications: the worked examples of the reference, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from domus.config import InvalidConfig, load_text
from domus.config.compile import to_libxl

EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    (
        "phy:/dev/vg0/web1,xvda,w",
        {"pdev_path": "/dev/vg0/web1", "vdev": "xvda", "format": "raw", "readwrite": 1},
    ),
    (
        "phy:vg0/web1,xvda1,w",
        {"pdev_path": "/dev/vg0/web1", "vdev": "xvda1", "format": "raw", "readwrite": 1},
    ),
    ("phy:sda7,sda1,r", {"pdev_path": "/dev/sda7", "vdev": "sda1", "format": "raw", "readwrite": 0}),
    ("file:/srv/a.img,hda1,w", {"pdev_path": "/srv/a.img", "vdev": "hda1", "format": "raw", "readwrite": 1}),
    (
        "tap:aio:/srv/a.img,xvda,w",
        {"pdev_path": "/srv/a.img", "vdev": "xvda", "format": "raw", "readwrite": 1},
    ),
    (
        "tap:qcow2:/srv/a.qcow2,xvda,w",
        {"pdev_path": "/srv/a.qcow2", "vdev": "xvda", "format": "qcow2", "readwrite": 1},
    ),
    (
        "tap:tapdisk:vhd:/srv/a.vhd,xvdb,r",
        {"pdev_path": "/srv/a.vhd", "vdev": "xvdb", "format": "vhd", "readwrite": 0},
    ),
    (
        "tap2:aio:/srv/a.img,xvda,w!",
        {"pdev_path": "/srv/a.img", "vdev": "xvda", "format": "raw", "readwrite": 1},
    ),
    (
        "nbd:192.0.2.7 20004,hda1,w",
        {
            "pdev_path": "192.0.2.7 20004",
            "vdev": "hda1",
            "format": "raw",
            "script": "block-nbd",
            "readwrite": 1,
        },
    ),
    (
        "drbd:res0,xvda,w",
        {"pdev_path": "res0", "vdev": "xvda", "format": "raw", "script": "block-drbd", "readwrite": 1},
    ),
    (
        "iscsi:iqn.2001-05.com.example:store-1,xvda,w",
        {
            "pdev_path": "iqn.2001-05.com.example:store-1",
            "vdev": "xvda",
            "format": "raw",
            "script": "block-iscsi",
            "readwrite": 1,
        },
    ),
    (
        "npiv:5001438001321d4e-0,sda,w",
        {
            "pdev_path": "5001438001321d4e-0",
            "vdev": "sda",
            "format": "raw",
            "script": "block-npiv",
            "readwrite": 1,
        },
    ),
    (
        "phy:/dev/sr0,hdc:cdrom,r",
        {
            "pdev_path": "/dev/sr0",
            "vdev": "hdc",
            "format": "raw",
            "is_cdrom": 1,
            "removable": 1,
            "readwrite": 0,
        },
    ),
    (",hdc:cdrom,r", {"vdev": "hdc", "format": "empty", "is_cdrom": 1, "removable": 1, "readwrite": 0}),
    (
        "file:/srv/w.img,ioemu:hda,w",
        {"pdev_path": "/srv/w.img", "vdev": "hda", "format": "raw", "readwrite": 1},
    ),
    (
        "phy:/dev/vg0/s,xvda,w,stor1",
        {
            "pdev_path": "/dev/vg0/s",
            "vdev": "xvda",
            "format": "raw",
            "readwrite": 1,
            "backend_domname": "stor1",
        },
    ),
    (
        "phy:/dev/vg0/s,0xca00,w,0,x86_32-abi",
        {"pdev_path": "/dev/vg0/s", "vdev": "51712", "format": "raw", "readwrite": 1, "backend_domname": "0"},
    ),
    ("/dev/vg0/web1,,xvda", {"pdev_path": "/dev/vg0/web1", "vdev": "xvda", "format": "raw", "readwrite": 1}),
    (
        "/srv/a.qcow2,qcow2,xvda,ro",
        {"pdev_path": "/srv/a.qcow2", "vdev": "xvda", "format": "qcow2", "readwrite": 0},
    ),
    (
        "format=raw, vdev=xvda, access=rw, target=/srv/a,b.img",
        {"pdev_path": "/srv/a,b.img", "vdev": "xvda", "format": "raw", "readwrite": 1},
    ),
    (
        "/srv/i.iso,,hdc,cdrom",
        {
            "pdev_path": "/srv/i.iso",
            "vdev": "hdc",
            "format": "raw",
            "is_cdrom": 1,
            "removable": 1,
            "readwrite": 0,
        },
    ),
    ("vdev=hdc,cdrom", {"vdev": "hdc", "format": "empty", "is_cdrom": 1, "removable": 1, "readwrite": 0}),
    (
        "vdev=xvda,backend=stor1,backendtype=qdisk,format=vhd,target=/srv/a.vhd",
        {
            "pdev_path": "/srv/a.vhd",
            "vdev": "xvda",
            "format": "vhd",
            "backend": "qdisk",
            "backend_domname": "stor1",
            "readwrite": 1,
        },
    ),
    (
        "vdev=xvda,script=block-iscsi,target=iqn=iqn.2001-05.com.example:s1,portal=192.0.2.7:3260",
        {
            "pdev_path": "iqn=iqn.2001-05.com.example:s1,portal=192.0.2.7:3260",
            "vdev": "xvda",
            "format": "raw",
            "script": "block-iscsi",
            "readwrite": 1,
        },
    ),
    (
        "/srv/a.img,raw,xvda,rw,direct-io-safe,no-discard,untrusted",
        {
            "pdev_path": "/srv/a.img",
            "vdev": "xvda",
            "format": "raw",
            "readwrite": 1,
            "direct_io_safe": True,
            "discard_enable": "False",
            "trusted": "False",
        },
    ),
    (
        "raw:/srv/i.iso,hdc:cdrom,ro",
        {
            "pdev_path": "/srv/i.iso",
            "vdev": "hdc",
            "format": "raw",
            "is_cdrom": 1,
            "removable": 1,
            "readwrite": 0,
        },
    ),
    ("/dev/vg0/x,raw,d0p1,rw", {"pdev_path": "/dev/vg0/x", "vdev": "d0p1", "format": "raw", "readwrite": 1}),
    ("/dev/vg0/x,raw,51712,w", {"pdev_path": "/dev/vg0/x", "vdev": "51712", "format": "raw", "readwrite": 1}),
    (
        "vdev=xvda,specification=virtio,backendtype=standalone,grant_usage=1,target=/dev/vg0/x",
        {
            "pdev_path": "/dev/vg0/x",
            "vdev": "xvda",
            "format": "raw",
            "backend": "standalone",
            "specification": "virtio",
            "grant_usage": "True",
            "readwrite": 1,
        },
    ),
    ("vhd:/srv/a.vhd,xvda,w", {"pdev_path": "/srv/a.vhd", "vdev": "xvda", "format": "vhd", "readwrite": 1}),
    ("qcow:/srv/a,xvda", {"pdev_path": "/srv/a", "vdev": "xvda", "format": "qcow", "readwrite": 1}),
    ("lun:SERIAL7,raw,xvda,w", {"pdev_path": "lun:SERIAL7", "vdev": "xvda", "format": "raw", "readwrite": 1}),
    (
        "phy:/dev/vg/a,raw,xvda,rw",
        {"pdev_path": "/dev/vg/a", "vdev": "xvda", "format": "raw", "readwrite": 1},
    ),
]


@pytest.mark.parametrize(("spec", "expected"), EXAMPLES)
def test_a_specification_means_what_the_reference_says(spec: str, expected: dict[str, Any]) -> None:
    config = load_text(f"name = 'd'\nkernel = '/k'\ndisk = [{spec!r}]\n").config
    assert to_libxl(config, hotplug_script="")["disks"] == [expected]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("phy:/dev/a", "VDEV and MODE are missing"),
        ("phy:/dev/a,xvda", "MODE is missing"),
        ("phy:/a,xvda,x", "mode 'x'"),
        ("phy:/a,sdq,w", "'sdq' is not a virtual disk"),
        ("phy:0x301,hda1,w", "device number"),
        ("tap:vmdk:/a,xvda,w", "qemu-img"),
        (",xvda,w", "needs something behind it"),
        ("vg0/web1,raw,xvda,w", "not an absolute path"),
        ("target=/x,vdev=xvda", "write it last"),
        ("vdev=xvda,vdev=xvdb,target=/x", "given twice"),
        ("vdev=xvda,fromat=raw,target=/x", "did you mean format?"),
        ("vdev=xvda,backendtype=foo,target=/x", "must be one of"),
        ("/a,raw,xvda,rw,extra", "too many words"),
        ("/a,foo,xvda,w", "mode 'xvda'"),
        ("iscsi:iqn=a,portal=b,xvdb,w", "script=block-iscsi"),
    ],
)
def test_a_wrong_specification_is_refused_with_its_index(spec: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text(f"name = 'd'\nkernel = '/k'\ndisk = ['phy:/dev/b,xvdz,w', {spec!r}]\n", source_name="g.cfg")
    (problem,) = caught.value.problems
    assert problem.where.startswith("g.cfg:3:")
    assert "disk[1]" in str(problem)
    assert said in str(problem)


def test_a_type_that_is_none_of_xens_takes_a_script_of_its_name() -> None:
    loaded = load_text("name = 'd'\nkernel = '/k'\ndisk = ['vmdk:/x,xvda,w']\n", source_name="g.cfg")
    assert loaded.config.disks[0].script == "block-vmdk"
    (told,) = loaded.findings
    assert "needs a script block-vmdk" in str(told)


def test_the_caret_stands_below_the_offending_word() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text("name = 'd'\nkernel = '/k'\ndisk = ['phy:/dev/b,sdq,w']\n", source_name="g.cfg")
    line, caret = caught.value.problems[0].excerpt().split("\n")
    assert line[caret.index("^") :].startswith("sdq")


def test_one_device_cannot_be_two_disks() -> None:
    with pytest.raises(InvalidConfig, match="already used by disk"):
        load_text("name = 'd'\nkernel = '/k'\ndisk = ['phy:/dev/a,xvda,w', 'phy:/dev/b,51712,w']\n")


def test_an_image_cannot_be_written_twice_unless_shared() -> None:
    head = "name = 'd'\nkernel = '/k'\n"
    with pytest.raises(InvalidConfig, match="already used as xvda"):
        load_text(head + "disk = ['phy:/dev/a,xvda,w', 'phy:/dev/a,xvdb,r']\n")
    load_text(head + "disk = ['phy:/dev/a,xvda,w!', 'phy:/dev/a,xvdb,w!']\n")
    assert load_text(head + "disk = ['phy:/dev/a,xvda,r', 'phy:/dev/a,xvdb,r']\n").warnings


def test_disks_and_nics_that_xend_plugs_run_a_program_that_does_nothing() -> None:
    config = load_text("name = 'd'\nkernel = '/k'\nvif = ['']\ndisk = ['phy:/dev/a,xvda,w']\n").config
    document = to_libxl(config)
    assert document["disks"][0]["backend"] == "phy"
    assert document["disks"][0]["script"] == document["nics"][0]["script"] == "/bin/true"
