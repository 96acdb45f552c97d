"""What the examination makes of facts that no lab host has: options of Xen, CPUs, ports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domus.domains.doctor import leftovers, platform, surroundings
from domus.domains.doctor.facts import Facts, Files, Process
from domus.model.doctor import Severity
from domus.model.domain import DomainInfo, RunState


def facts(root: Path = Path("/nowhere"), **fields: Any) -> Facts:
    usual: dict[str, Any] = {
        "files": Files(root),
        "domains": [DomainInfo(name="Domain-0", domid=0, uuid="0", state=RunState.RUNNING)],
        "version": {"commandline": "dom0_mem=2G,max:2G"},
        "physical": {"nr_cpus": 4},
        "virt_caps": "pv hvm hvm_directio pv_directio hap",
        "processes": [],
        "backends": {},
        "store_domids": ["0"],
        "store_vms": [],
        "dom0_name": "Domain-0",
    }
    return Facts(**usual | fields)


@pytest.mark.parametrize(
    ("options", "severity", "said"),
    [
        ("spec-ctrl=no dom0_mem=2G,max:2G", Severity.ERROR, "guests can read each other's memory"),
        ("iommu=off dom0_mem=2G,max:2G", Severity.WARNING, "the IOMMU is off"),
        ("console=com1", Severity.WARNING, "no dom0_mem="),
        ("dom0_mem=2G", Severity.NOTE, "'dom0_mem=2G' has no max:"),
    ],
)
def test_options_of_the_hypervisor(options: str, severity: Severity, said: str) -> None:
    (finding,) = platform.hypervisor(facts(version={"commandline": options}))
    assert (finding.severity, said in finding.what) == (severity, True)
    assert "/etc/default/grub" in finding.mend


def test_good_options_are_no_finding() -> None:
    assert list(platform.hypervisor(facts())) == []
    assert list(platform.cpu(facts())) == []


@pytest.mark.parametrize(
    ("caps", "said"),
    [("pv", "no hardware virtualization"), ("pv hvm hvm_directio", "no nested paging"), ("hvm hap", "no PV")],
)
def test_what_the_cpu_lacks(caps: str, said: str) -> None:
    words = [finding.what for finding in platform.cpu(facts(virt_caps=caps))]
    assert any(said.replace("no PV", "without PV guests") in word for word in words)


def test_a_qemu_without_its_domain_is_told_and_one_with_it_is_not() -> None:
    served = Process(10, "qemu-system-i38", ("qemu-system-i386", "-xen-domid", "0", "-nodefaults"))
    orphan = Process(11, "qemu-system-i38", ("qemu-system-i386", "-xen-domid", "9"))
    (finding,) = leftovers.leftovers(facts(processes=[served, orphan]))
    assert finding.mend == "kill 11"


def loop_device(root: Path, name: str, number: int, backing: str) -> None:
    folder = root / "sys/block" / name
    (folder / "loop").mkdir(parents=True)
    (folder / "loop/backing_file").write_text(f"{backing}\n")
    (folder / "dev").write_text(f"7:{number}\n")


def test_only_loop_devices_that_nobody_uses_are_leftovers(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/mounts").write_text("/dev/loop1 /mnt ext4 rw 0 0\n")
    for number in range(6):
        loop_device(tmp_path, f"loop{number}", number, f"/srv/{number}.img")
    (tmp_path / "sys/block/loop2/holders/dm-0").mkdir(parents=True)
    (tmp_path / "sys/block/loop5/loop/backing_file").write_text("/srv/5.img (deleted)\n")
    qemu = Process(9, "qemu", ("qemu", "-drive", "file=/dev/loop4,format=raw"))
    found = leftovers.leftovers(facts(tmp_path, disks_in_use=frozenset({"7:3"}), processes=[qemu]))
    assert [(finding.what, finding.mend) for finding in found] == [
        ("/dev/loop0 holds /srv/0.img, for nobody", "losetup -d /dev/loop0"),
        ("/dev/loop5 holds the deleted file /srv/5.img, for nobody", "losetup -d /dev/loop5"),
    ]


def test_ports_on_the_loopback_are_nobodys_business(tmp_path: Path) -> None:
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    lines = [
        "   0: 0100007F:1F42 00000000:0000 0A",  # 127.0.0.1:8002
        "   1: 00000000:1F42 00000000:0000 0A",  # *:8002
        "   2: 0A00000A:170C 00000000:0000 0A",  # 10.0.0.10:5900
        "   3: 00000000:1F46 00000000:0000 01",  # an open connection of ours, 8006
    ]
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text(head + "\n".join(lines) + "\n")
    six = "   0: 00000000000000000000000001000000:1F40 00000000000000000000000000000000:0000 0A\n"
    (tmp_path / "proc/net/tcp6").write_text(head + six)
    found = list(surroundings.security(facts(tmp_path)))
    assert [finding.what.split(",")[0] for finding in found] == [
        "a VNC display listens on an address of the host port 5900 for other hosts",
        "port 8002 is open to other hosts",
    ]


def test_a_disabled_or_enabled_xendomains_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "etc/xen/auto").mkdir(parents=True)
    (tmp_path / "etc/xen/auto/web.cfg").touch()
    assert not [each for each in surroundings.interference(facts(tmp_path)) if "xendomains" in each.what]
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "xendomains.service").symlink_to("/nowhere")
    (finding,) = surroundings.interference(facts(tmp_path))
    assert finding.mend == "systemctl disable xendomains"
