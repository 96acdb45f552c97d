"""Two oracles, both real: `xl create -n` on the same file, and libxl itself on what we wrote."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from domus.config import load_text
from domus.config.compile import to_libxl
from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

_UUID = "uuid='3c2f6a2c-0000-4000-8000-000000000001'\n"
PV = f"name='d'\nkernel='/root/k'\n{_UUID}"
HVM = f"name='d'\ntype='hvm'\n{_UUID}"

FILES = {
    "least": PV,
    "usual": PV + "memory=256\nmaxmem=512\nvcpus=2\nmaxvcpus=4\nroot='/dev/xvda ro'\nextra='console=hvc0'\n"
    "cpu_weight=512\ncap=50\non_crash='coredump-restart'\ncpus='0'\n",
    "pvh": PV + "type='pvh'\nvif=['bridge=xenbr0,mac=00:16:3e:00:00:01','rate=10Mb/s,vifname=a']\n"
    "disk=['/dev/null,raw,xvda,rw','format=qcow2,vdev=xvdb,access=ro,target=/a']\n",
    "hvm": HVM
    + "memory=512\nvga='stdvga'\nvnc=1\nvnclisten='0.0.0.0'\nserial='pty'\nusb=1\nusbdevice='tablet'\n"
    "boot='dc'\nacpi_s3=0\nhpet=0\nviridian=['defaults','synic']\nsoundhw='hda'\nkeymap='de'\nbios='seabios'\n"
    "xen_platform_pci=1\ndisk=['/dev/null,raw,hda,rw',',,hdc,cdrom']\n",
    "framebuffers": PV + "vfb=['vnc=1,vncpasswd=x,vncdisplay=5','sdl=1']\n",
    "vnc of a PV guest": PV + "vnc=1\nvnclisten='0.0.0.0'\nkeymap='de'\n",
    "features": PV + "cpuid='host,family=31,model=3,x2apic=0,tsc-deadline=k'\n",
    "leaves": PV + f"cpuid=['0x1:ecx={'x' * 11}00{'x' * 19}','7,0:ebx={'x' * 31}0']\n",
    "sizes": HVM
    + "smbios=['system_manufacturer=Example','oem=a']\nmmio_hole=1024\nshadow_memory=8\nvideoram=16\n"
    "spice=1\nspiceport=6000\nspicedisable_ticketing=1\nhdtype='ahci'\ntimer_mode='one_missed_tick_pending'\n"
    "tsc_mode='native'\nnestedhvm=1\nhap=1\noos=0\nlocaltime=1\nrtc_timeoffset=3600\n",
    "resources": PV + "ioports=['2f8-2ff','3f0']\nirqs=[5,7]\niomem=['fe100,4','fe200,1@5']\n"
    "pci=['07:00.0@5,permissive=1','08:00.*']\n",
    "devices": PV + "channel=['name=org.x,connection=socket,path=/run/a','name=y,connection=pty']\n"
    "vtpm=['backend=0']\np9=['tag=t,path=/p,security_model=none']\npvcalls=['backend=0']\n"
    "vdispl=['backend=0,connectors=id0:1920x1080']\n"
    "vkb=['backend-type=linux,unique-id=a,feature-abs-pointer=1,width=10']\n"
    "vsnd=[['CARD,short-name=c,sample-rates=8000;9600','PCM,name=p',"
    "'STREAM,unique-id=0,type=p,channels-max=2']]\n",
    "usb": PV + "usbctrl=['type=pv,version=2,ports=4']\n"
    "usbdev=['type=hostdev,hostbus=1,hostaddr=3,controller=0,port=1']\n",
    "limits": PV
    + "max_event_channels=2047\nmax_grant_frames=64\nmax_maptrack_frames=10\nmax_grant_version=1\n"
    "nomigrate=1\npool='Pool-0'\nseclabel='a:b:c'\ndriver_domain=1\nbootloader='pygrub'\n"
    "bootloader_args=['-q','x']\ndevice_model_args=['-a']\ndevice_model_version='qemu-xen'\n"
    "passthrough='disabled'\nvmtrace_buf_kb=64\nmsr_relaxed=1\n",
    "emulated": HVM
    + "vif=['type=ioemu,model=e1000,mtu=9000','type=vif,ip=1.2.3.4,gatewaydev=eth0,untrusted']\n"
    "device_model_args_hvm=['-fda','/x']\ngfx_passthru=1\nusbdevice=['tablet','mouse']\nusb=1\n"
    "serial=['pty','null']\naltp2m='mixed'\nrdm='strategy=host'\nrdm_mem_boundary=1024\nacpi=1\napic=1\nnx=1\n"
    "pae=1\n",
    "shim": PV + "type='pvh'\npvshim=1\npvshim_extra='x'\ncpus=['0','0']\nvcpus=2\ncpus_soft='0'\n",
    "scheduling": PV + "cmdline='root=x'\nramdisk='/root/r'\ne820_host=1\nvpmu=0\nperiod=100\n"
    "extratime=1\ninit_seclabel='a'\nseclabel='b'\nstubdomain_memory=64\ndm_restrict=0\ndevice_model_user='root'\n",
    "numa": HVM + "vnuma=[['pnode=0','size=32','vcpus=0','vdistances=10']]\n",
    "screen": HVM + "vnclisten='1.2.3.4:7'\nvncunused=0\nsdl=1\nopengl=1\ndisplay=':0'\nxauthority='/x'\n"
    "nographic=0\nspiceusbredirection=4\nspiceagent_mouse=0\n",
}

#: what we always write although it is libxl's default: some defaults are traps, and zero is a value
ALWAYS: dict[str, Any] = {
    "b_info.avail_vcpus": [0],
    "b_info.max_vcpus": 1,
    "b_info.max_memkb": 32768,
    "b_info.target_memkb": 32768,
    "on_crash": "destroy",
    "on_poweroff": "destroy",
    "on_watchdog": "destroy",
    "disks[].readwrite": 0,
    "pcidevs[].domain": 0,
    "pcidevs[].dev": 0,
    "pcidevs[].func": 0,
    "b_info.vnuma_nodes[].pnode": 0,
    "b_info.tee": "none",
    "b_info.type.hvm.vendor_device": "none",
}
#: what xl writes and we leave to libxl, which does the same
LEFT_TO_LIBXL: dict[str, Any] = {
    "c_info.run_hotplug_scripts": "True",  # from xl.conf; libxl's default
    "pcidevs[].rdm_policy": "strict",  # counts for HVM guests with reserved memory only
    "b_info.type.hvm.rdm.policy": None,
    "disks[].pdev_path": "",  # an empty drive
}


def flat(document: Any, path: str = "") -> dict[str, Any]:
    """The leaves of a document by their paths; list indices stay, empty objects do not."""
    if isinstance(document, dict):
        return {
            key: value
            for name, item in document.items()
            for key, value in flat(item, f"{path}.{name}" if path else name).items()
        }
    if isinstance(document, list) and any(isinstance(item, dict | list) for item in document):
        return {
            key: value for n, item in enumerate(document) for key, value in flat(item, f"{path}[{n}]").items()
        }
    return {path: document}


def normal(document: dict[str, Any]) -> dict[str, Any]:
    """With the newer of the two forms of a CPUID policy."""
    build = document.get("b_info", {})
    if isinstance(build.get("cpuid"), list):
        document = {**document, "b_info": {**build, "cpuid": {"cpuid": build["cpuid"], "msr": []}}}
    return document


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """What differs beyond the two lists of intended differences."""
    mine, other = flat(normal(ours)), flat(normal(theirs))
    found = []
    for path in sorted(mine.keys() | other.keys()):
        shape = re.sub(r"\[\d+\]", "[]", path)
        if path not in other and shape in ALWAYS and mine[path] == ALWAYS[shape]:
            continue
        if path not in mine and shape in LEFT_TO_LIBXL and other[path] == LEFT_TO_LIBXL[shape]:
            continue
        if mine.get(path) != other.get(path):
            found.append(f"{path}: ours {mine.get(path)!r}, theirs {other.get(path)!r}")
    return found


def compiled(text: str) -> dict[str, Any]:
    """What we make of a file that xl plugs itself."""
    return to_libxl(load_text(text, format="xl").config, hotplug_script="", on_this_host=False)


@pytest.fixture(scope="module")
def of_xl(lab_host: LabHost) -> dict[str, dict[str, Any]]:
    """What `xl create -n` prints for each file."""
    script = ["mkdir -p /tmp/oracle && cd /tmp/oracle"]
    for number, text in enumerate(FILES.values()):
        script.append(
            f"cat > {number}.cfg <<'END'\n{text}END\necho '@@@'; xl create -n {number}.cfg 2>&1 >out; cat out"
        )
    output = lab_host.run(["sh"], stdin="\n".join(script).encode()).stdout
    parts = output.split("@@@")[1:]
    return {name: json.loads(part[part.index("{") :]) for name, part in zip(FILES, parts, strict=True)}


@pytest.mark.parametrize("name", FILES)
def test_our_json_is_what_xl_makes_of_the_same_file(of_xl: dict[str, dict[str, Any]], name: str) -> None:
    assert differences(compiled(FILES[name]), of_xl[name]) == []


UNDERSTOOD = """
import json, sys
from domus.xen.libxl import Libxl
libxl = Libxl.open()
print(json.dumps({name: libxl.check_config(text) for name, text in json.load(sys.stdin).items()}))
"""


@pytest.fixture(scope="module")
def of_libxl(lab_host: LabHost) -> dict[str, dict[str, Any]]:
    """What libxl understood of our documents."""
    documents = json.dumps({name: compiled(text) for name, text in FILES.items()})
    output = lab_host.run(["python3", "-c", UNDERSTOOD], stdin=documents.encode()).stdout
    understood: dict[str, dict[str, Any]] = json.loads(output)
    return understood


@pytest.mark.parametrize("name", FILES)
def test_libxl_drops_nothing_of_what_we_write(of_libxl: dict[str, dict[str, Any]], name: str) -> None:
    assert differences(compiled(FILES[name]), of_libxl[name]) == []
