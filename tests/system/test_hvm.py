"""What only an HVM guest has: a display, a CD drive, buttons, CPUs that are plugged in."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domus.lab import image, initrd
from domus.lab.host import LabHost
from domus.lab.image import SCRIPTS
from domus.model.config import Disk, DiskFormat, DomainConfig, GuestType, Hvm, Nic, Vnc
from tests.domains.guests import create, eventually, in_guest, wait_until_up
from tests.system.conftest import XM_PROGRAM, Xm
from tests.system.rfb import Viewer

if TYPE_CHECKING:
    from domus.client import Client

# Linux takes minutes to boot in an HVM guest of an emulated host.
pytestmark = [pytest.mark.lab, pytest.mark.soak]

#: of the big kernel, which is dom0's: the CD drive behind QEMU's IDE controller, buttons and keys, the card
MODULES = ("ata_piix", "sr_mod", "button", "evdev", "xen-blkfront", "xen-netfront")
CPUS = "/sys/devices/system/cpu"
KEY_A = 0x61  #: X's number of the key a

InGuest = Callable[[str], str]


@pytest.fixture(scope="module")
def big_initrd(lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small guest's initial RAM disk, with modules of dom0's kernel."""
    folder = tmp_path_factory.mktemp("modules")
    shown = lab_host.run(["modprobe", "-a", "--show-depends", *MODULES])
    modules: list[Path] = []
    for line in shown.stdout.splitlines():
        kind, path = line.split()[:2]
        there = folder / Path(path).name
        if kind != "insmod" or there in modules:
            continue
        there.write_bytes(base64.b64decode(lab_host.run(["base64", path]).stdout))
        modules.append(there)
    target = folder / "initrd"
    busybox = image.wanted().folder / "guest/busybox"
    initrd.build(target, busybox=busybox, init=SCRIPTS / "guest-init", modules=modules)
    return target


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture(scope="module")
def guest(lab_host: LabHost, client: Client, big_initrd: Path) -> Iterator[str]:
    """An HVM guest, up: with the big kernel, a display, a CD in its drive, and room for a second CPU."""
    for name in ("first", "second"):
        lab_host.run(["sh", "-c", f"head -c 307200 /dev/urandom > /root/{name}.iso"])
    create(
        client,
        DomainConfig(
            name="full",
            guest_type=GuestType.HVM,
            memory_mib=224,
            vcpus=1,
            maxvcpus=2,
            kernel=client.put_blob(image.wanted().folder / "vmlinuz"),
            ramdisk=client.put_blob(big_initrd),
            cmdline="console=tty0 console=hvc0 quiet name=full",
            disks=(Disk(vdev="hdc", target="/root/first.iso", cdrom=True, writable=False),),
            nics=(Nic(bridge="xenbr0"),),
            hvm=Hvm(vnc=Vnc(enable=True)),
        ),
    )
    wait_until_up(client, "full")
    yield "full"
    client.finish(client.destroy("full"))
    assert "qemu" not in lab_host.run(["ps", "-eo", "args"]).stdout
    assert lab_host.run(["ls", "/run/domus/vnc"]).stdout == ""


@pytest.fixture
def inside(client: Client, guest: str) -> InGuest:
    """Runs a shell command in the guest."""
    return lambda command: in_guest(client, guest, command)


def checksum(host: LabHost, path: str) -> str:
    return str(host.run(["sh", "-c", f"sha256sum < {path}"]).stdout.strip())


# The display


@pytest.fixture
def port(guest: str, environment: dict[str, str]) -> Iterator[int]:
    """The local port of `xm vncviewer --print`."""
    with subprocess.Popen(
        [XM_PROGRAM, "vncviewer", "--print", guest],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout and command.stderr
        host, _, number = command.stdout.readline().strip().partition(":")
        assert host == "127.0.0.1", command.stderr.read()
        yield int(number)
        command.send_signal(2)
        assert command.wait(timeout=30) == 0
        assert command.stderr.read() == ""


def test_the_display_is_seen_and_takes_keys(port: int, guest: str, inside: InGuest) -> None:
    inside("printf 'seen on the screen\\n' > /dev/tty1")
    # Once a guest has connected Xen's virtual keyboard, QEMU sends keys to that, and else to the PS/2 one.
    inside("for each in /dev/input/event*; do cat $each > /keys-${each##*/} & done")
    with Viewer(port) as viewer:
        assert guest in viewer.name
        picture = viewer.picture()
        viewer.press(KEY_A)
    if path := os.environ.get("DOMUS_SCREENSHOT"):
        Path(path).write_bytes(picture.ppm())
    assert picture.lit() > 500  # letters
    # a key (type 1), KEY_A (30), goes down; linux/input-event-codes.h
    eventually(lambda: "01 00 1e 00 01 00 00 00" in inside("cat /keys-* | hexdump -C"))
    inside("killall cat")


def test_the_display_is_roots_alone_and_its_place_is_no_secret(lab_host: LabHost, guest: str) -> None:
    domid = lab_host.run(["xl", "domid", guest]).stdout.strip()
    path = lab_host.run(["xenstore-read", f"/local/domain/{domid}/console/vnc-port"]).stdout.strip()
    assert lab_host.run(["stat", "-c", "%a %U", str(Path(path).parent)]).stdout == "700 root\n"
    listening = lab_host.run(["ss", "-Hltnp"]).stdout
    assert "qemu" not in listening


def test_a_viewer_is_started_and_its_end_is_ours(
    guest: str, environment: dict[str, str], tmp_path: Path
) -> None:
    viewer = tmp_path / "xtigervncviewer"
    viewer.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from tests.system.rfb import Viewer\n"
        "host, _, port = sys.argv[1].partition('::')\n"
        "with Viewer(int(port)) as viewer:\n    print(viewer.name, viewer.picture().width)\n"
    )
    viewer.chmod(0o755)
    env = {**environment, "PATH": f"{tmp_path}:{environment['PATH']}"}
    done = subprocess.run(
        [XM_PROGRAM, "vncviewer", "--vncviewer-autopass", guest],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert guest in done.stdout


def test_what_has_no_display_is_told(xm: Xm, guest: str) -> None:
    done = xm("vncviewer", "--print", "Domain-0", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Domain 'Domain-0' has no VNC display")


def test_a_device_model_that_ends_at_once_is_quoted(
    xm: Xm, guest: str, lab_host: LabHost, leaves_nothing: None
) -> None:
    done = xm(
        *("create", "-q", "-p", "/dev/null", "name=odd", "type=hvm", "memory=64"),
        "device_model_args=-no-such-option",
        check=False,
    )
    assert done.returncode == 1
    assert "QEMU said: " in done.stderr
    assert "-no-such-option" in done.stderr


# The CD drive


def test_a_cd_is_changed_taken_out_and_put_in(xm: Xm, guest: str, inside: InGuest, lab_host: LabHost) -> None:
    read = "dd if=/dev/sr0 bs=2048 count=150 2>&- | sha256sum"
    assert inside(read) == checksum(lab_host, "/root/first.iso")
    xm("cd-insert", guest, "hdc", "/root/second.iso")
    eventually(lambda: inside(read) == checksum(lab_host, "/root/second.iso"))
    xm("cd-eject", guest, "hdc")
    eventually(lambda: inside("dd if=/dev/sr0 bs=2048 count=1 2>&1 >&- || true").find("No medium") >= 0)
    xm("block-configure", guest, "file:/root/first.iso", "hdc:cdrom", "r")
    eventually(lambda: inside(read) == checksum(lab_host, "/root/first.iso"))


# QEMU


def test_qemus_monitor_answers(xm: Xm, guest: str, lab_host: LabHost) -> None:
    ours = xm("qemu-monitor-command", guest, "info", "block").stdout
    theirs = lab_host.run(["xl", "qemu-monitor-command", guest, "info block"]).stdout
    assert "/root/" in ours
    assert ours.split() == theirs.split()
    unknown = xm("qemu-monitor-command", guest, "nonsense").stdout
    assert "unknown command: 'nonsense'" in unknown
    for words, status, text in (
        ((guest,), 1, "requires at least 2 arguments."),
        (("nobody", "info", "block"), 3, "Error: Domain 'nobody' does not exist."),
        (("Domain-0", "info", "block"), 1, "privileged domain Domain-0"),
    ):
        done = xm("qemu-monitor-command", *words, check=False)
        assert (done.returncode, text in done.stderr) == (status, True), done.stderr


# From a disk

#: A boot sector that says again and again, on the first serial port, that it runs; it sleeps a tick between:
#: sti; xor ax,ax; mov ds,ax; 5: mov si,text; 8: lodsb; or al,al; jz 13h; mov dx,3f8h; out dx,al; jmp 8;
#: 13h: hlt; jmp 5; 16h: text
BOOT_SECTOR = (
    bytes.fromhex("fb 31c0 8ed8 be167c ac 08c0 7406 baf803 ee ebf5 f4 ebef") + b"booted from the disk\r\n\0"
).ljust(510, b"\0") + b"\x55\xaa"


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_the_firmware_boots_from_the_disk(
    client: Client, guest: str, lab_host: LabHost, leaves_nothing: None, form: str
) -> None:
    lab_host.put(BOOT_SECTOR.ljust(1 << 20, b"\0"), "/root/boot.raw")
    lab_host.run(["qemu-img", "convert", "-O", "qcow2", "/root/boot.raw", "/root/boot.qcow2"])
    disk = Disk(vdev="hda", target=f"/root/boot.{form}", format=DiskFormat(form))
    hvm = Hvm(serial=("pty",), vnc=Vnc(enable=False))
    create(client, DomainConfig(name="disk", guest_type=GuestType.HVM, memory_mib=32, disks=(disk,), hvm=hvm))
    seen, end = b"", time.monotonic() + 300
    with client.console("disk", write=False) as console:
        while b"booted from the disk" not in seen:
            assert time.monotonic() < end, f"it printed only {seen!r}"
            seen += console.receive(1.0) or b""
    client.finish(client.destroy("disk"))


# Buttons and CPUs


def test_the_power_button_is_pressed_in_the_guest(xm: Xm, guest: str, inside: InGuest) -> None:
    button = inside("grep -l 'Power Button' /sys/class/input/input*/name | head -n 1")
    event = inside(f"ls {button.removesuffix('/name')} | grep ^event")
    inside(f"{{ cat /dev/input/{event} > /button & }}")
    xm("button-press", guest, "power")
    # a key (type 1), KEY_POWER (116), goes down
    eventually(lambda: "01 00 74 00 01 00 00 00" in inside("hexdump -C /button"))


def test_an_nmi_arrives(xm: Xm, guest: str, inside: InGuest) -> None:
    xm("trigger", guest, "nmi")
    eventually(lambda: "NMI received" in inside("dmesg"))


def test_a_trigger_that_xen_has_not_is_told(xm: Xm, guest: str, inside: InGuest) -> None:
    done = xm("trigger", guest, "reset", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    inside("true")


def test_a_cpu_is_plugged_in(xm: Xm, guest: str, inside: InGuest, lab_host: LabHost) -> None:
    assert inside(f"cat {CPUS}/online") == "0"
    xm("vcpu-set", guest, "2")
    eventually(lambda: inside(f"cat {CPUS}/present") == "0-1")
    assert inside(f"echo 1 > {CPUS}/cpu1/online; cat {CPUS}/online") == "0-1"
    rows = lab_host.run(["xl", "list", guest]).stdout.splitlines()
    assert rows[1].split()[3] == "2"
    done = xm("vcpu-set", guest, "1", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: VCPUs of 'full' cannot be taken away while it runs")
    time.sleep(1)
    assert inside(f"cat {CPUS}/online") == "0-1"
