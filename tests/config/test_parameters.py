# ruff: noqa: E501 - tables read best with one row on a line
"""Every parameter that Xen's tools ever had, one by one: it is declared, and reaches libxl's JSON, or is told to be gone."""

from __future__ import annotations

from typing import Any, Final

import pytest

from domus.config import InvalidConfig, load_text
from domus.config.compile import to_libxl
from domus.config.parameters import TABLE, Parameter
from domus.config.parameters.kinds import Choice, Texts
from domus.config.parameters.numbers import Flag, Whole

#: name; in xm: y(es), old, undeclared, sxp; since which xl; the one place in libxl_domain_config that it is (-: see below)
ROWS: Final = """
access_control y - -
acpi y 4.1 b_info.acpi
acpi_firmware - 4.3 b_info.type.hvm.acpi_firmware
acpi_laptop_slate - 4.9 b_info.type.hvm.acpi_laptop_slate
acpi_s3 - 4.2 b_info.type.hvm.acpi_s3
acpi_s4 - 4.2 b_info.type.hvm.acpi_s4
altp2m - 4.9 b_info.altp2m
altp2m_count - 4.21 b_info.altp2m_count
altp2mhvm - 4.6 b_info.type.hvm.altp2m
apic y 4.1 b_info.apic
arm_sci - 4.21 -
audio old - -
bios - 4.2 b_info.type.hvm.bios
bios_path_override - 4.8 b_info.type.hvm.system_firmware
blkif y - -
boot y 4.1 b_info.type.hvm.boot
bootargs y - -
bootentry y - -
bootloader y 4.1 b_info.bootloader
bootloader_args sxp 4.1 b_info.bootloader_args
bootloader_restrict - 4.18 b_info.bootloader_restrict
bootloader_user - 4.18 b_info.bootloader_user
builder y 4.1 -
cap - 4.2 b_info.sched_params.cap
cdrom old - -
channel - 4.5 -
cmdline - 4.5 -
cpu y - -
cpu_cap y - -
cpu_weight y 4.2 b_info.sched_params.weight
cpuid y 4.1 -
cpuid_check y - -
cpus y 4.1 -
cpus_soft - 4.5 -
description y - -
device_model y 4.1 -
device_model_args - 4.1 b_info.extra
device_model_args_hvm - 4.2 b_info.extra_hvm
device_model_args_pv - 4.2 b_info.extra_pv
device_model_override - 4.2 b_info.device_model
device_model_stubdomain_override - 4.2 b_info.device_model_stubdomain
device_model_stubdomain_seclabel - 4.2 b_info.device_model_ssid_label
device_model_user - 4.7 b_info.device_model_user
device_model_version - 4.2 b_info.device_model_version
device_tree - 4.6 b_info.device_tree
dhcp y - -
disk y 4.1 -
display y 4.5 b_info.type.hvm.sdl.display
dm_restrict - 4.10 b_info.dm_restrict
driver_domain - 4.4 c_info.driver_domain
dtdev - 4.6 -
e820_host - 4.2 b_info.type.pv.e820_host
extra y 4.1 -
extratime - 4.2 b_info.sched_params.extratime
fda y - -
fdb y - -
features y - -
firmware - 4.10 -
firmware_override - 4.2 b_info.type.hvm.firmware
gateway y - -
gfx_passthru y 4.1 -
gic_version - 4.6 b_info.arch_arm.gic_version
guest_os_type y - -
hap y 4.1 c_info.hap
hdtype - 4.6 b_info.type.hvm.hdtype
hostname y - -
hpet y 4.1 b_info.type.hvm.hpet
hvm_pirq - 4.19 b_info.type.hvm.pirq
init_seclabel - 4.3 -
interface y - -
iomem - 4.3 -
ioports y 4.2 -
ip y - -
ipaddr old - -
irq y - -
irqs - 4.2 -
isa y - -
kernel y 4.1 b_info.kernel
keymap y 4.1 b_info.type.hvm.keymap
lapic old - -
latency - 4.2 -
llc_colors - 4.20 -
loader y - -
localtime y 4.1 b_info.localtime
machine_address_size y - -
max_event_channels - 4.4 b_info.event_channels
max_grant_frames - 4.10 b_info.max_grant_frames
max_grant_version - 4.16 b_info.max_grant_version
max_maptrack_frames - 4.10 b_info.max_maptrack_frames
maxmem y 4.1 -
maxvcpus undeclared 4.1 -
mca_caps - 4.10 -
memory y 4.1 -
memory_sharing y - -
mmio_hole - 4.5 b_info.type.hvm.mmio_hole_memkb
monitor y - -
monitor_path y - -
ms_vm_genid - 4.5 -
msr_relaxed - 4.15 b_info.arch_x86.msr_relaxed
name y 4.1 c_info.name
ne2000 old - -
nestedhvm y 4.2 b_info.nested_hvm
netif y - -
netmask y - -
nfs_root y - -
nfs_server y - -
nics y - -
nographic y 4.1 b_info.type.hvm.nographic
nomigrate y 4.1 b_info.disable_migrate
nr_spis - 4.19 b_info.arch_arm.nr_spis
nx - 4.1 b_info.type.hvm.nx
on_crash y 4.1 on_crash
on_poweroff y 4.1 on_poweroff
on_reboot y 4.1 on_reboot
on_soft_reset - 4.7 on_soft_reset
on_watchdog - 4.1 on_watchdog
on_xend_start y - -
on_xend_stop y - -
oos y 4.1 c_info.oos
opengl y 4.1 b_info.type.hvm.sdl.opengl
p9 - 4.9 -
pae y 4.1 b_info.type.hvm.pae
parallel y - -
passthrough - 4.13 c_info.passthrough
pci y 4.1 -
pci_msitranslate y 4.1 -
pci_permissive - 4.2 -
pci_power_mgmt y 4.1 -
pci_seize - 4.5 -
period - 4.2 b_info.sched_params.period
pool y 4.1 c_info.pool_name
pvcalls - 4.11 -
pvh - 4.4 -
pvshim - 4.10 b_info.type.pvh.pvshim
pvshim_cmdline - 4.10 b_info.type.pvh.pvshim_cmdline
pvshim_extra - 4.10 b_info.type.pvh.pvshim_extra
pvshim_path - 4.10 b_info.type.pvh.pvshim_path
ramdisk y 4.1 b_info.ramdisk
rdm - 4.6 -
rdm_mem_boundary - 4.6 b_info.type.hvm.rdm_mem_boundary_memkb
restart y - -
root y 4.1 -
rtc_timeoffset y 4.1 b_info.rtc_timeoffset
s3_integrity y - -
sdl y 4.1 b_info.type.hvm.sdl.enable
seclabel - 4.2 -
serial y 4.1 -
shadow_memory y 4.1 b_info.shadow_memkb
slice - 4.2 -
smbios - 4.18 -
smbios_firmware - 4.3 b_info.type.hvm.smbios_firmware
soundhw y 4.1 b_info.type.hvm.soundhw
spice - 4.2 b_info.type.hvm.spice.enable
spice_clipboard_sharing - 4.4 b_info.type.hvm.spice.clipboard_sharing
spice_image_compression - 4.6 b_info.type.hvm.spice.image_compression
spice_streaming_video - 4.6 b_info.type.hvm.spice.streaming_video
spiceagent_mouse - 4.2 b_info.type.hvm.spice.agent_mouse
spicedisable_ticketing - 4.2 b_info.type.hvm.spice.disable_ticketing
spicehost - 4.2 b_info.type.hvm.spice.host
spicepasswd - 4.2 b_info.type.hvm.spice.passwd
spiceport - 4.2 b_info.type.hvm.spice.port
spicetls_port - 4.2 b_info.type.hvm.spice.tls_port
spiceusbredirection - 4.4 b_info.type.hvm.spice.usbredirection
spicevdagent - 4.4 b_info.type.hvm.spice.vdagent
ssidref old - c_info.ssidref
stdvga y 4.1 -
stubdomain_cmdline - 4.16 b_info.stubdomain_cmdline
stubdomain_kernel - 4.14 b_info.stubdomain_kernel
stubdomain_memory - 4.14 b_info.stubdomain_memkb
stubdomain_ramdisk - 4.14 b_info.stubdomain_ramdisk
superpages y - -
suppress_spurious_page_faults y - -
sve - 4.18 b_info.arch_arm.sve_vl
target y - -
tee - 4.13 b_info.tee
timer_mode y 4.1 b_info.timer_mode
tpmif old - -
trap_unmapped_accesses - 4.21 b_info.trap_unmapped_accesses
tsc_mode y 4.1 b_info.tsc_mode
type - 4.10 -
usb y 4.1 b_info.type.hvm.usb
usbctrl - 4.7 -
usbdev - 4.7 -
usbdevice y 4.1 -
usbport old - -
usbversion - 4.4 b_info.type.hvm.usbversion
uuid y 4.1 c_info.uuid
vcpu_avail y - -
vcpus y 4.1 -
vdispl - 4.10 -
vendor_device - 4.4 b_info.type.hvm.vendor_device
vfb y 4.1 -
vga - 4.3 b_info.type.hvm.vga.kind
vhpt y - -
videoram y 4.1 b_info.video_memkb
vif y 4.1 -
vif2 y 4.1 -
viridian y 4.1 -
virtio - 4.18 -
vkb - 4.12 -
vkb_device - 4.13 b_info.type.hvm.vkb_device
vmtrace_buf_kb - 4.15 b_info.vmtrace_buf_kb
vnc y 4.1 b_info.type.hvm.vnc.enable
vncconsole y - -
vncdisplay y 4.1 b_info.type.hvm.vnc.display
vnclisten y 4.1 b_info.type.hvm.vnc.listen
vncpasswd y 4.1 b_info.type.hvm.vnc.passwd
vncunused y 4.1 b_info.type.hvm.vnc.findunused
vncviewer y 4.2 -
vnuma - 4.6 -
vpmu - 4.16 b_info.vpmu
vpt_align y 4.1 b_info.type.hvm.vpt_align
vscsi y - -
vsnd - 4.12 -
vtpm old 4.3 -
vuart - 4.10 b_info.arch_arm.vuart
vusb y - -
xauthority y 4.5 b_info.type.hvm.sdl.xauthority
xen_extended_power_mgmt undeclared - -
xen_platform_pci y 4.1 b_info.type.hvm.xen_platform_pci
xen_platform_pci_bar_uc - 4.21 b_info.type.hvm.xen_platform_pci_bar_uc
xend_suspend_evtchn_compat - 4.14 c_info.xend_suspend_evtchn_compat
xenstore_feature_mask - 4.21 b_info.xenstore_feature_mask
xenstore_quota - 4.22 -
"""

#: parameters of ours beyond those: libxl's own, and names that old samples carry
FURTHER: Final = {"budget", "snapshot", "actmem", "xenpaging_file", "xenpaging_extra"}

#: parameters that are Domus's own
OURS: Final = {"start_order", "start_delay", "start_after", "firewall"}

#: what is made of several parameters, or in several places: the lines, the place, what stands there
COMPOSED: Final[dict[str, tuple[str, str, Any]]] = {
    "access_control": ("access_control=['policy=P,label=L']", "c_info.ssid_label", "L"),
    "arm_sci": ("arm_sci='type=scmi_smc'", "b_info.arch_arm.arm_sci.type", "scmi_smc"),
    "audio": ("builder='hvm'\naudio=1", "b_info.type.hvm.soundhw", "sb16"),
    "blkif": ("blkif=1", "c_info.driver_domain", "True"),
    "bootargs": ("bootloader='b'\nbootargs='-x \"a b\"'", "b_info.bootloader_args", ["-x", "a b"]),
    "builder": ("builder='hvm'", "c_info.type", "hvm"),
    "cdrom": ("builder='hvm'\ncdrom='/a.iso'", "disks.0.is_cdrom", 1),
    "channel": ("channel=['name=n,connection=pty']", "channels.0.name", "n"),
    "cmdline": ("cmdline='a b'", "b_info.cmdline", "a b"),
    "cpu": ("cpu=3\ncpus='1'", "b_info.vcpu_hard_affinity.0", [1, 3]),
    "cpu_cap": ("cpu_cap=40", "b_info.sched_params.cap", 40),
    "cpuid": ("cpuid=['1:ecx=0x1']", "b_info.cpuid.0.ecx", "0" * 31 + "1"),
    "cpus": ("vcpus=2\ncpus=['0-2,^1','3']", "b_info.vcpu_hard_affinity", [[0, 2], [3]]),
    "cpus_soft": ("cpus_soft='1'", "b_info.vcpu_soft_affinity", [[1]]),
    "device_model": (
        "builder='hvm'\ndevice_model='/usr/lib/xen/bin/stubdom-dm'",
        "b_info.device_model_stubdomain",
        "True",
    ),
    "dhcp": ("dhcp='dhcp'", "b_info.cmdline", "ip=:127.0.255.255::::eth0:dhcp"),
    "disk": ("disk=['phy:vg/a,xvda,w']", "disks.0.pdev_path", "/dev/vg/a"),
    "dtdev": ("dtdev=['/a']", "dtdevs.0.path", "/a"),
    "extra": ("root='/dev/a'\nextra='b'", "b_info.cmdline", "root=/dev/a b"),
    "fda": ("builder='hvm'\nfda='/a'", "b_info.extra_hvm", ["-fda", "/a"]),
    "fdb": ("builder='hvm'\nfdb='/a'", "b_info.extra_hvm", ["-fdb", "/a"]),
    "firmware": ("type='hvm'\nfirmware='uefi'", "b_info.type.hvm.bios", "ovmf"),
    "gateway": (
        "ip='1.2.3.4'\ngateway='1.2.3.1'",
        "b_info.cmdline",
        "ip=1.2.3.4:127.0.255.255:1.2.3.1:::eth0:off",
    ),
    "gfx_passthru": ("type='hvm'\ngfx_passthru='igd'", "b_info.type.hvm.gfx_passthru_kind", "igd"),
    "hostname": ("dhcp='on'\nhostname='h'", "b_info.cmdline", "ip=:127.0.255.255:::h:eth0:on"),
    "init_seclabel": ("init_seclabel='a'\nseclabel='b'", "c_info.ssid_label", "a"),
    "interface": ("dhcp='on'\ninterface='i'", "b_info.cmdline", "ip=:127.0.255.255::::i:on"),
    "iomem": ("iomem=['a,2@b']", "b_info.iomem.0", {"start": 10, "number": 2, "gfn": 11}),
    "ioports": ("ioports=['3f8-3ff']", "b_info.ioports.0", {"first": 0x3F8, "number": 8}),
    "ip": ("ip='1.2.3.4'", "b_info.cmdline", "ip=1.2.3.4:127.0.255.255::::eth0:off"),
    "irq": ("irq=[5]", "b_info.irqs", [5]),
    "irqs": ("irqs=[5]", "b_info.irqs", [5]),
    "lapic": ("builder='hvm'\nlapic=0", "b_info.apic", "False"),
    "llc_colors": ("llc_colors=['2-3']", "b_info.llc_colors", [2, 3]),
    "loader": ("builder='hvm'\nloader='/l'", "b_info.type.hvm.firmware", "/l"),
    "maxmem": ("memory=64\nmaxmem=128", "b_info.max_memkb", 131072),
    "maxvcpus": ("vcpus=1\nmaxvcpus=4", "b_info.max_vcpus", 4),
    "mca_caps": ("type='hvm'\nmca_caps=['lmce']", "b_info.type.hvm.mca_caps", 1),
    "memory": ("memory=64", "b_info.target_memkb", 65536),
    "monitor": ("builder='hvm'\nmonitor=1", "b_info.extra_hvm", ["-monitor", "vc"]),
    "monitor_path": ("builder='hvm'\nmonitor_path='null'", "b_info.extra_hvm", ["-monitor", "null"]),
    "ms_vm_genid": ("type='hvm'\nms_vm_genid='generate'", "b_info.type.hvm.ms_vm_genid", ...),
    "ne2000": ("builder='hvm'\nne2000=1\nvif=['']", "nics.0.model", "ne2k_pci"),
    "netif": ("netif=1", "c_info.driver_domain", "True"),
    "netmask": (
        "ip='1.2.3.4'\nnetmask='255.0.0.0'",
        "b_info.cmdline",
        "ip=1.2.3.4:127.0.255.255::255.0.0.0::eth0:off",
    ),
    "nfs_root": ("nfs_server='1.2.3.9'\nnfs_root='/r'", "b_info.cmdline", "nfsroot=1.2.3.9:/r"),
    "nfs_server": ("nfs_server='1.2.3.9'\ndhcp='on'", "b_info.cmdline", "ip=:1.2.3.9::::eth0:on"),
    "nics": ("nics=2", "nics.1.devid", 1),
    "p9": ("p9=['tag=t,path=/p,security_model=none']", "p9s.0.tag", "t"),
    "parallel": ("builder='hvm'\nparallel='null'", "b_info.extra_hvm", ["-parallel", "null"]),
    "pci": ("pci=['07:00.1']", "pcidevs.0.func", 1),
    "pci_msitranslate": ("pci=['07:00.1']\npci_msitranslate=1", "pcidevs.0.msitranslate", True),
    "pci_permissive": ("pci=['07:00.1']\npci_permissive=1", "pcidevs.0.permissive", True),
    "pci_power_mgmt": ("pci=['07:00.1']\npci_power_mgmt=1", "pcidevs.0.power_mgmt", True),
    "pci_seize": ("pci=['07:00.1']\npci_seize=1", "pcidevs.0.seize", True),
    "pvcalls": ("pvcalls=['backend=b']", "pvcallsifs.0.backend_domname", "b"),
    "pvh": ("pvh=1", "c_info.type", "pvh"),
    "rdm": (
        "type='hvm'\nrdm='strategy=host,policy=strict'",
        "b_info.type.hvm.rdm",
        {"strategy": "host", "policy": "strict"},
    ),
    "restart": ("restart='always'", "on_poweroff", "restart"),
    "root": ("root='root=/dev/a'", "b_info.cmdline", "root=/dev/a"),
    "seclabel": ("init_seclabel='a'\nseclabel='b'", "b_info.exec_ssid_label", "b"),
    "serial": ("builder='hvm'\nserial='pty'", "b_info.type.hvm.serial", "pty"),
    "smbios": ("type='hvm'\nsmbios=['oem=x']", "b_info.type.hvm.smbios.0", {"key": "oem", "value": "x"}),
    "stdvga": ("builder='hvm'\nstdvga=1", "b_info.type.hvm.vga.kind", "std"),
    "type": ("type='pvh'", "b_info.type.pvh", {}),
    "usbctrl": ("usbctrl=['type=pv,ports=3']", "usbctrls.0.ports", 3),
    "usbdev": ("usbdev=['hostbus=1,hostaddr=2']", "usbdevs.0.type.hostdev.hostaddr", 2),
    "usbdevice": ("builder='hvm'\nusb=1\nusbdevice='tablet'", "b_info.type.hvm.usbdevice", "tablet"),
    "vcpu_avail": ("vcpus=4\nvcpu_avail=5", "b_info.avail_vcpus", [0, 2]),
    "vcpus": ("vcpus=3", "b_info.avail_vcpus", [0, 1, 2]),
    "vdispl": ("vdispl=['connectors=a:1x2']", "vdispls.0.connectors.0.height", 2),
    "vfb": ("vfb=['vnc=1,vncdisplay=4']", "vfbs.0.vnc.display", 4),
    "vif": ("vif=['bridge=b']", "nics.0.bridge", "b"),
    "viridian": ("type='hvm'\nviridian=['defaults','stimer']", "b_info.type.hvm.viridian_enable", [8]),
    "virtio": ("virtio=['type=virtio,device22,transport=mmio']", "virtios.0.type", "virtio,device22"),
    "vkb": ("vkb=['backend-type=linux,width=5']", "vkbs.0.width", 5),
    "vnuma": (
        "type='hvm'\nmemory=64\nvnuma=[['pnode=0','size=64','vcpus=0','vdistances=10']]",
        "b_info.vnuma_nodes.0.memkb",
        65536,
    ),
    "vsnd": ("vsnd=[['CARD,short-name=c']]", "vsnds.0.short_name", "c"),
    "vtpm": ("vtpm=['backend=b']", "vtpms.0.backend_domname", "b"),
    "vusb": ("vusb=['usbver=1,numports=4']", "usbctrls.0.version", 1),
    "xenstore_quota": (
        "xenstore_quota=['nodes=5']",
        "b_info.xenstore_quota.quota.0",
        {"name": "nodes", "val": 5},
    ),
}

#: what only xend keeps: the lines, the field of the model, what it says
KEPT_BY_XEND: Final[dict[str, tuple[str, str, Any]]] = {
    "description": ("description='d'", "description", "d"),
    "on_xend_start": ("on_xend_start='start'", "autostart", True),
    "on_xend_stop": ("on_xend_stop='suspend'", "on_xend_stop", "suspend"),
    "vncconsole": ("vncconsole=1", "show_vnc", True),
    "start_order": ("start_order=-3", "start_order", -3),
    "start_delay": ("start_delay=1.5", "start_delay_s", 1.5),
    "start_after": ("start_after='db, ns db'", "start_after", ("db", "ns")),
    "firewall": ("firewall=['allow in tcp  22', 'deny in']", "firewall", ("allow in tcp 22", "deny in")),
}

_ROWS: Final = [row.split() for row in ROWS.split("\n") if row]
_GONE: Final = [name for name, *_ in _ROWS if TABLE[name].gone]
_PLAIN: Final = [(name, path) for name, _, _, path in _ROWS if path != "-"]


def at(document: Any, path: str) -> Any:
    """What stands at a path such as "b_info.type.hvm.boot"; the dots of keys are found out."""
    if not path:
        return document
    if isinstance(document, list):
        first, _, rest = path.partition(".")
        return at(document[int(first)], rest)
    key = max((key for key in document if path == key or path.startswith(f"{key}.")), key=len)
    return at(document[key], path[len(key) + 1 :])


def sample(parameter: Parameter) -> Any:
    """A value that is nobody's default."""
    kind = parameter.kind
    if isinstance(kind, Flag):
        return 1
    if isinstance(kind, Choice):
        return kind.words[-1]
    if isinstance(kind, Whole):
        return min(max(kind.least, 300), kind.most)
    if isinstance(kind, Texts):
        return ["sample"]
    return {"uuid": "3c2f6a2c-0000-4000-8000-000000000001", "boot": "d", "pool": "Pool-7"}.get(
        parameter.name, "/sample"
    )


def test_every_parameter_of_xm_and_xl_is_declared_and_no_others() -> None:
    assert set(TABLE) == {name for name, *_ in _ROWS} | FURTHER | OURS
    for name, xm, xl, path in _ROWS:
        parameter = TABLE[name]
        assert (parameter.xm or "-", parameter.xl or "-") == (xm, xl), name
        assert (parameter.libxl.replace("/", ".") or "-") == path, name


def test_every_parameter_is_accounted_for() -> None:
    plain = {name for name, _ in _PLAIN}
    assert plain | set(COMPOSED) | set(KEPT_BY_XEND) | set(_GONE) == {name for name, *_ in _ROWS} | OURS


@pytest.mark.parametrize("name", [name for name, _ in _PLAIN])
def test_a_parameter_stands_at_its_place_in_what_libxl_gets(name: str) -> None:
    parameter, path = TABLE[name], dict(_PLAIN)[name]
    guest = parameter.guests.split()[0] if parameter.guests else "pv"
    value = sample(parameter)
    text = f"name='d'\ntype='{guest}'\n" + ("" if guest == "hvm" or name == "kernel" else "kernel='/k'\n")
    text = text.replace("name='d'\n", "") if name == "name" else text
    text += "spiceport=6000\nspicedisable_ticketing=1\n" if name == "spice" else ""
    value = "d7" if name == "name" else value
    config = load_text(f"{text}{name} = {value!r}\n", format="xl").config
    wanted = parameter.kind.to_json(parameter.kind.read(value))
    assert at(to_libxl(config), path) == wanted


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composed_parameter_reaches_libxl(name: str) -> None:
    lines, path, wanted = COMPOSED[name]
    assert f"{name}=" in lines
    kernel = "" if "'hvm'" in lines else "kernel='/k'\n"
    document = to_libxl(load_text(f"name='d'\n{kernel}{lines}\n", format="xm").config, on_this_host=False)
    found = at(document, path)
    assert found == wanted if wanted is not ... else found


@pytest.mark.parametrize("name", KEPT_BY_XEND)
def test_what_only_xend_keeps_is_in_the_model(name: str) -> None:
    lines, field, wanted = KEPT_BY_XEND[name]
    assert getattr(load_text(f"name='d'\nkernel='/k'\n{lines}\n").config, field) == wanted


def test_true_and_false_are_one_and_zero() -> None:
    for written, meant in (("True", True), ("False", False), ("1", True), ("0", False)):
        text = f"name='d'\nbuilder='hvm'\nacpi={written}\nvncconsole={written}\n"
        config = load_text(text, format="xm").config
        assert (config.acpi, config.show_vnc) == (meant, meant)


@pytest.mark.parametrize("name", _GONE)
def test_a_parameter_without_a_meaning_is_told_once_with_what_replaced_it(name: str) -> None:
    text = f"name='d'\nkernel='/k'\n{name} = 'a'\n"
    (finding,) = load_text(text, format="xm").findings
    assert finding.what == f"{name}: has no meaning on today's Xen"
    assert finding.hint == TABLE[name].gone
    assert load_text(text.replace("'a'", "0"), format="xm").findings == ()


def test_an_xl_guest_without_emulation_has_no_timer_mode() -> None:
    text = "name='d'\nkernel='/k'\ntimer_mode='no_missed_ticks_pending'\n"
    with pytest.raises(InvalidConfig, match="timer_mode: PV guests have no emulated timers"):
        load_text(text, format="xl")
    assert load_text(text, format="xm").config.timer_mode is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("memory=64\nvnuma=[['size=32','vcpus=0']]", "the nodes have 32 MiB, the domain has 64"),
        ("memory=64\nvnuma=[['size=64','vcpus=0-1']]", "each of the 1 VCPUs must be in one of the nodes"),
        (
            "memory=64\nvcpus=2\nvnuma=[['size=64','vcpus=0']]",
            "each of the 2 VCPUs must be in one of the nodes",
        ),
        ("memory=32\nmaxmem=64\nvnuma=[['size=64','vcpus=0']]", "does not go with memory below maxmem"),
        ("spice=1\nspicedisable_ticketing=1", "spice: needs a port"),
        ("spice=1\nspiceport=6000", "spice: needs a password"),
    ],
)
def test_what_libxl_would_refuse_late_is_refused_early(lines: str, said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        load_text(f"name='d'\ntype='hvm'\n{lines}\n")


def test_a_disk_beside_its_own_partition_is_doubtful() -> None:
    disks = "disk=['/dev/a,raw,xvda1,w','/dev/b,raw,xvda2,w','/dev/c,raw,xvda,w']"
    findings = load_text(f"name='d'\nkernel='/k'\n{disks}\n", format="xl").findings
    assert [finding.what for finding in findings] == [
        "disk[2]: xvda and xvda1 are a disk and a partition of it",
        "disk[2]: xvda and xvda2 are a disk and a partition of it",
    ]
