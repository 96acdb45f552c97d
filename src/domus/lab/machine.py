"""The machine that QEMU emulates for a lab host: one command line for the template and its hosts.

A saved machine can only be continued by one with the same devices, so everything that differs between
hosts (disks) is plugged in later, and what differs on the command line is only what backs a device.
"""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import Final

import msgspec

from domus.lab.line import LINES, line_name
from domus.lab.record import Shape
from domus.model.places import TLS_PORT

QEMU: Final = "qemu-system-x86_64"

#: Under emulation: -smap, because dom0 dies of it at once; -rdtscp, because PVH and HVM guests do; -xsave,
#: and AVX with it, because registers are mixed up where Xen switches between domains on one CPU: programs
#: of dom0 died of SIGSEGV now and then while a guest with two VCPUs was busy (QEMU 7.2).
EMULATED_CPU: Final = "max,-smap,-rdtscp,-xsave"


#: what a hypervisor with FLASK is told at its start
FLASK: Final = "flask=enforcing"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """All that a QEMU command line is made from."""

    shape: Shape
    accelerator: str
    image: Path  #: folder of the host image
    hypervisor: Path | None = None  #: folder of another hypervisor than the image's, with its policy
    layer: Path  #: file of the Domus layer
    ram: Path  #: file that backs the host's memory
    share_ram: bool  #: True: the file takes the host's writes (the template); False: a private copy
    folder: Path  #: where its sockets and its log are
    api_port: int  #: port on 127.0.0.1 that leads to xend in the host
    lan_port: int  #: port of the multicast group that is the LAN


def identity(machine: Machine) -> str:
    """A digest of what must be equal for a saved machine to be continued."""
    return hashlib.sha256(
        repr(
            (
                machine.shape,
                machine.accelerator,
                machine.image.name,
                machine.hypervisor and machine.hypervisor.name,
                machine.layer.parent.name,
            )
        ).encode()
    ).hexdigest()[:12]


def command_line(machine: Machine, *, qmp_fd: int, boot: bool) -> list[str]:
    """QEMU's arguments.

    Args:
        qmp_fd: a listening UNIX socket for QMP that QEMU inherits.
        boot: True: power on; False: wait for a saved machine.
    """
    shape = machine.shape
    cpu = "host" if machine.accelerator == "kvm" else EMULATED_CPU
    accelerator = "kvm" if machine.accelerator == "kvm" else "tcg,thread=multi"
    xen = (
        f"console=com1 com1=115200 loglvl=warning guest_loglvl=warning "
        f"dom0_mem={shape.dom0_mib}M,max:{shape.dom0_mib}M dom0_max_vcpus=1"
    )
    hypervisor, policy = machine.image / "xen", ""
    if machine.hypervisor is not None:
        hypervisor, policy = machine.hypervisor / "xen", f",{_quoted(machine.hypervisor / 'xenpolicy')}"
        xen = f"{xen} {FLASK}"
    argv = [
        QEMU,
        "-name", f"domus-lab-{machine.folder.name}",
        "-nodefaults",
        "-no-user-config",
        "-display", "none",
        "-accel", accelerator,
        "-cpu", cpu,
        "-smp", str(shape.cpus),
        "-m", f"{shape.memory_mib}M",
        "-object",
        f"memory-backend-file,id=pc.ram,size={shape.memory_mib}M,mem-path={_quoted(machine.ram)},"
        f"share={'on' if machine.share_ram else 'off'}",
        "-machine", "pc,memory-backend=pc.ram",
        "-chardev", f"socket,id=qmp,fd={qmp_fd},server=on,wait=off",
        "-mon", "chardev=qmp,mode=control",
        "-chardev", f"file,id=com1,path={_quoted(machine.folder / 'console.log')},append=on",
        "-serial", "chardev:com1",
        "-kernel", str(hypervisor),
        "-append", xen,
        "-initrd",
        f"{_quoted(machine.image / 'vmlinuz')} console=hvc0 quiet loglevel=3 panic=10,"
        f"{_quoted(machine.image / 'initrd')}{policy}",
        "-drive", f"file={_quoted(machine.image / 'root.squashfs')},if=none,id=root,format=raw,readonly=on",
        "-device", "virtio-blk-pci,drive=root",
        "-drive", f"file={_quoted(machine.layer)},if=none,id=layer,format=raw,readonly=on",
        "-device", "virtio-blk-pci,drive=layer",
        "-device", "virtio-scsi-pci,id=san",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-netdev", f"user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:{machine.api_port}-:{TLS_PORT}",
        "-device", "virtio-net-pci,netdev=management,mac=52:54:00:00:00:01,romfile=",
        "-netdev", f"socket,id=lan,mcast=230.0.0.1:{machine.lan_port},localaddr=127.0.0.1",
        "-device", "virtio-net-pci,netdev=lan,mac=52:54:00:00:00:02,romfile=",
        "-device", "virtio-serial-pci,id=lines,max_ports=16",
    ]  # fmt: skip
    for number in range(LINES):
        path = _quoted(machine.folder / line_name(number))
        argv += [
            "-chardev", f"socket,id=line{number},path={path},server=on,wait=off",
            "-device", f"virtserialport,chardev=line{number},name=domus.lab.{number}",
        ]  # fmt: skip
    if not boot:
        argv += ["-incoming", "defer"]
    return argv


def listen(path: Path) -> socket.socket:
    """A listening UNIX socket that a child may inherit; a stale file in its place is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen(8)
    server.set_inheritable(True)
    return server


def free_port() -> int:
    """A TCP and UDP port on the loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quoted(path: Path) -> str:
    """A path as QEMU's option syntax wants it: a comma is written twice."""
    return str(path).replace(",", ",,")
