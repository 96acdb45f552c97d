"""Parameters that hold lists of devices; each list has a reader of its own."""

from __future__ import annotations

from typing import Final

from domus.config.parameters.declaration import FLAG, Parameter
from domus.config.parameters.kinds import Anything, Rules
from domus.config.parameters.numbers import Whole

DEVICES: Final = (
    Parameter("disk", Anything("['phy:DEV,VDEV,MODE', ...]"), "Disks: target, name in the guest, mode.",
              xm="y", xl="4.1"),
    Parameter("vif", Anything("['mac=MAC,bridge=BRIDGE', ...]"), "Network cards.", xm="y", xl="4.1"),
    Parameter("firewall", Rules(), "What may reach the guest through its cards, and what it may reach; the "
              "first rule that a connection meets decides.", "firewall"),
    Parameter("nics", Whole(-1, 64, unset=-1), "Number of network cards.", xm="y", instead="vif"),
    Parameter("pci", Anything("['BB:DD.F', ...]"), "PCI devices of the host.", xm="y", xl="4.1"),
    Parameter("pci_msitranslate", FLAG, "Translate message signalled interrupts of PCI devices.", xm="y",
              xl="4.1", default="xm 1, xl 0"),
    Parameter("pci_power_mgmt", FLAG, "The guest manages the power of PCI devices.", xm="y", xl="4.1",
              default="0"),
    Parameter("pci_permissive", FLAG, "Forward all accesses to the PCI configuration.", xl="4.2",
              default="0"),
    Parameter("pci_seize", FLAG, "Take PCI devices from their drivers.", xl="4.5", default="0"),
    Parameter("usbctrl", Anything("['version=2,ports=8', ...]"), "USB controllers.", xl="4.7"),
    Parameter("usbdev", Anything("['hostbus=1,hostaddr=3', ...]"), "USB devices of the host.", xl="4.7"),
    Parameter("vusb", Anything("['usbver=2,port_1=1-1', ...]"),
              "USB controllers with devices, as xm wrote them.", xm="y", instead="usbctrl and usbdev"),
    Parameter("vtpm", Anything("['backend=DOM']"), "Virtual TPMs.", xm="old", xl="4.3"),
    Parameter("channel", Anything("['name=N,connection=pty']"), "Named streams between guest and host.",
              xl="4.5"),
    Parameter("p9", Anything("['tag=T,path=P,...']"), "Directories shared by 9pfs.", xl="4.9"),
    Parameter("pvcalls", Anything("['backend=DOM']"), "PV calls devices.", xl="4.11"),
    Parameter("virtio", Anything("['type=TYPE,...']"), "Virtio devices (Arm).", xl="4.18", newer="4.18"),
    Parameter("vdispl", Anything("['connectors=ID:WxH']"), "Paravirtualized displays.", xl="4.10"),
    Parameter("vkb", Anything("['backend-type=qemu']"), "Paravirtualized keyboards.", xl="4.12"),
    Parameter("vsnd", Anything("[['CARD', 'PCM', 'STREAM']]", schema={"type": "array"}),
              "Paravirtualized sound.", xl="4.12"),
    Parameter("dtdev", Anything("['/PATH', ...]"), "Devices of the device tree (Arm).", xl="4.6"),
    Parameter("ioports", Anything("['FROM-TO', ...]"), "I/O ports that the guest may use, in hexadecimal.",
              xm="y", xl="4.2"),
    Parameter("irq", Anything("[NUM, ...]", schema={"type": "array"}), "Interrupts of the host.", xm="y",
              instead="irqs"),
    Parameter("irqs", Anything("[NUM, ...]", schema={"type": "array"}), "Interrupts of the host.", xl="4.2"),
    Parameter("iomem", Anything("['START,NUM@GFN', ...]"),
              "Pages of the host that the guest may map, in hexadecimal.", xl="4.3"),
)  # fmt: skip
