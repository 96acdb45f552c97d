"""libvirt's domain XML for Xen (what `virsh dumpxml` gives) as variables of xl.cfg."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

from domus.config.document import Variable
from domus.config.problems import Report

_UNITS: Final = {
    "b": 1 / 1024,
    "bytes": 1 / 1024,
    "": 1,
    "k": 1,
    "kib": 1,
    "kb": 1000 / 1024,
    "m": 1024,
    "mib": 1024,
    "mb": 1_000_000 / 1024,
    "g": 1 << 20,
    "gib": 1 << 20,
    "gb": 1e9 / 1024,
    "t": 1 << 30,
    "tib": 1 << 30,
}
_ACTIONS: Final = {"rename-restart", "destroy", "restart", "preserve", "coredump-destroy", "coredump-restart"}
_BOOT: Final = {"fd": "a", "hd": "c", "cdrom": "d", "network": "n"}
_CONSUMED: Final = frozenset(
    {
        "disk",
        "interface",
        "graphics",
        "video",
        "console",
        "serial",
        "emulator",
        "input",
        "hostdev",
        "controller",
        "memballoon",
        "sound",
        "channel",
    }
)


class _Import:
    """Gathers variables from one <domain>."""

    def __init__(self, report: Report, domain: ET.Element) -> None:
        self.report = report
        self.domain = domain
        self.found: dict[str, Variable] = {}
        self.is_hvm = False

    def put(self, name: str, value: object) -> None:
        if value not in (None, "", []):
            self.found[name] = Variable(value)

    def text(self, path: str) -> str:
        return (self.domain.findtext(path) or "").strip()

    def mebibytes(self, path: str) -> int | None:
        element = self.domain.find(path)
        if element is None:
            return None
        text, unit = (element.text or "").strip(), (element.get("unit") or "").lower()
        if not text.isdecimal() or len(text) > 18 or unit not in _UNITS:
            self.report.error(f"<{path}>: {text[:20]!r} {unit[:10]} is not a size")
            return None
        return int(int(text) * _UNITS[unit]) >> 10

    def run(self) -> dict[str, Variable]:
        kind = self.domain.get("type")
        if kind != "xen":
            self.report.warn(f"<domain type={(kind or '')[:20]!r}>: made for another hypervisor than Xen")
        self.put("name", self.text("name"))
        self.put("uuid", self.text("uuid"))
        self._type()
        memory, current = self.mebibytes("memory"), self.mebibytes("currentMemory")
        self.put("memory", current or memory)
        if current is not None and memory != current:
            self.put("maxmem", memory)
        self._vcpus()
        for action in ("on_poweroff", "on_reboot", "on_crash"):
            word = self.text(action)
            if word in _ACTIONS:
                self.put(action, word)
        self._features()
        self.put("disk", [spec for disk in self.domain.findall("devices/disk") if (spec := self._disk(disk))])
        self.put("vif", [self._interface(nic) for nic in self.domain.findall("devices/interface")])
        self._screens()
        self.put(
            "pci", [spec for device in self.domain.findall("devices/hostdev") if (spec := self._pci(device))]
        )
        if self.is_hvm and self.domain.find("devices/serial") is not None:
            self.put("serial", "pty")
        for element in self.domain.find("devices") if self.domain.find("devices") is not None else ():  # type: ignore[union-attr]
            if element.tag not in _CONSUMED:
                self.report.warn(f"<{element.tag[:40]}>: not imported")
        return self.found

    def _type(self) -> None:
        element = self.domain.find("os/type")
        kind = (element.text or "").strip() if element is not None else "linux"
        self.is_hvm = kind == "hvm"
        self.put("type", {"hvm": "hvm", "xenpvh": "pvh"}.get(kind, "pv"))
        kernel = self.text("os/kernel")
        self.put("kernel", kernel)
        self.put("ramdisk", self.text("os/initrd"))
        self.put("cmdline", self.text("os/cmdline"))
        self.put("bootloader", self.text("bootloader"))
        self.put("bootloader_args", self.text("bootloader_args"))
        loader = self.text("os/loader")
        if self.is_hvm and loader and "hvmloader" not in loader:
            self.put("bios", "ovmf")
            self.put("bios_path_override", loader)
        if self.is_hvm:
            order = "".join(_BOOT.get(boot.get("dev") or "", "") for boot in self.domain.findall("os/boot"))
            self.put("boot", order)

    def _vcpus(self) -> None:
        element = self.domain.find("vcpu")
        if element is None:
            return
        most, online = (element.text or "1").strip(), element.get("current")
        self.put("vcpus", online or most)
        if online is not None and online != most:
            self.put("maxvcpus", most)
        self.put("cpus", element.get("cpuset"))
        weight = self.text("cputune/shares")
        self.put("cpu_weight", weight)
        pins = {pin.get("vcpu") or "": pin.get("cpuset") for pin in self.domain.findall("cputune/vcpupin")}
        if pins and most.isdecimal() and int(most[:5]) <= 1024:
            self.put("cpus", [pins.get(str(number)) or "all" for number in range(int(most))])

    def _features(self) -> None:
        features = self.domain.find("features")
        if self.is_hvm and features is not None:
            for name in ("pae", "acpi", "apic", "hap"):
                self.put(
                    name, 1 if features.find(name) is not None else 0 if name in ("acpi", "pae") else None
                )
            if features.find("viridian") is not None or features.find("hyperv") is not None:
                self.put("viridian", 1)
        clock = self.domain.find("clock")
        if clock is not None and clock.get("offset") == "localtime":
            self.put("localtime", 1)

    def _disk(self, disk: ET.Element) -> str:
        source, target, driver = disk.find("source"), disk.find("target"), disk.find("driver")
        path = "" if source is None else source.get("file") or source.get("dev") or ""
        name = "" if target is None else target.get("dev") or ""
        cdrom = disk.get("device") == "cdrom"
        if source is not None and not path:
            self.report.error(f"disk {name[:20]!r}: only files and block devices can be imported")
            return ""
        form = "raw" if driver is None else driver.get("type") or "raw"
        words = [f"vdev={name}", f"format={form}" if path else ""]
        words.append("cdrom" if cdrom else "access=ro" if disk.find("readonly") is not None else "access=rw")
        words.append(f"target={path}" if path else "")
        return ",".join(word for word in words if word)

    def _interface(self, nic: ET.Element) -> str:
        def attribute(name: str, key: str) -> str | None:
            element = nic.find(name)
            return None if element is None else element.get(key)

        if nic.get("type") not in ("bridge", "ethernet", None):
            self.report.warn(
                f"an interface of type {(nic.get('type') or '')[:20]!r}: its bridge must be given by hand"
            )
        model = attribute("model", "type")
        target = attribute("target", "dev")
        pairs = (
            ("mac", attribute("mac", "address")),
            ("bridge", attribute("source", "bridge")),
            ("ip", attribute("ip", "address")),
            ("script", attribute("script", "path")),
            ("vifname", None if target is None or target.startswith("vif") else target),
            ("type", "vif" if model in ("netfront", "xen") else None),
            ("model", None if model in ("netfront", "xen") else model),
            ("mtu", attribute("mtu", "size")),
            ("backend", attribute("backenddomain", "name")),
        )
        return ",".join(f"{key}={value}" for key, value in pairs if value)

    def _screens(self) -> None:
        graphics = self.domain.findall("devices/graphics")
        vfbs = []
        for screen in graphics:
            listen = screen.get("listen")
            port = screen.get("port") or "-1"
            fixed = screen.get("autoport") != "yes" and port.isdecimal() and 5900 <= int(port[:6]) < 65536
            pairs: dict[str, object] = {}
            if screen.get("type") == "vnc":
                pairs = {
                    "vnc": 1,
                    "vnclisten": listen,
                    "vncpasswd": screen.get("passwd"),
                    "vncunused": 0 if fixed else 1,
                    "vncdisplay": int(port) - 5900 if fixed else None,
                    "keymap": screen.get("keymap"),
                }
            elif screen.get("type") == "sdl":
                pairs = {
                    "sdl": 1,
                    "vnc": 0,
                    "display": screen.get("display"),
                    "xauthority": screen.get("xauth"),
                }
            else:
                self.report.warn(f"<graphics type={(screen.get('type') or '')[:20]!r}>: not imported")
                continue
            said = {key: value for key, value in pairs.items() if value is not None}
            if self.is_hvm:
                for key, value in said.items():
                    self.put(key, value)
            else:
                vfbs.append(",".join(f"{key}={value}" for key, value in said.items()))
        self.put("vfb", vfbs)
        if self.is_hvm and not graphics:
            self.put("vnc", 0)
        card = self.domain.find("devices/video/model")
        if self.is_hvm and card is not None and card.get("type") in ("cirrus", "vga", "qxl", "none"):
            kind = card.get("type") or ""
            self.put("vga", {"vga": "stdvga"}.get(kind, kind))

    def _pci(self, device: ET.Element) -> str:
        address = device.find("source/address")
        if device.get("type") != "pci" or address is None:
            self.report.warn(f"<hostdev type={(device.get('type') or '')[:20]!r}>: not imported")
            return ""
        parts = (
            (address.get(key) or "0").removeprefix("0x") for key in ("domain", "bus", "slot", "function")
        )
        domain, bus, slot, function = parts
        seize = ",seize=1" if device.get("managed") == "yes" else ""
        return f"{domain}:{bus}:{slot}.{function}{seize}"


def document_of(report: Report, root: ET.Element) -> dict[str, Variable]:
    """The variables of the first <domain>.

    Raises:
        InvalidConfig: there is none.
    """
    domain = root if root.tag == "domain" else root.find("domain")
    if domain is None:
        raise report.fail("this defines no domain")
    return _Import(report, domain).run()
