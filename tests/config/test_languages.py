# ruff: noqa: E501 - tables of specifications read best with one on a line
"""xl.cfg, SXP, XML, libxl's JSON and libvirt's XML, and how they are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from domus.config import InvalidConfig, load_text
from domus.config.compile import to_libxl
from domus.config.compile.schema import problems
from domus.config.detection import format_of
from domus.config.reading.emulated import VIRIDIAN
from domus.config.sxp.printer import atom, pretty
from domus.config.xl.parser import strtol
from domus.model.config import Action, GuestType

HEAD = "name = 'd'\nkernel = '/k'\n"


def variables(text: str) -> dict[str, Any]:
    """What xl's grammar makes of a text."""
    from domus.config.problems import Report, Source
    from domus.config.xl.parser import parse

    parser = parse(Report(Source("t.cfg", text)))
    assert not parser.problems, parser.problems
    return {name: variable.value for name, variable in parser.variables.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\nb = 'x'\n", {"a": "1", "b": "x"}),
        ("a=\"x\";b='y';;\n", {"a": "x", "b": "y"}),
        ("a=[1,'b',\n ['c'],# comment\n]\n", {"a": ["1", "b", ["c"]]}),
        ("# only a comment", {}),
        ("a=1 # without an end of line", {"a": "1"}),
        ("a='x'\na+='y'\nb=['1']\nb+=['2']\n", {"a": "xy", "b": ["1", "2"]}),
        ("a += 'x'\n", {"a": "x"}),
        ("a=0x1f\r\nb='q'\r\n", {"a": "0x1f", "b": "q"}),
        (r"a='\x41\101\n\\\''" + "\n", {"a": "AA\n\\'"}),
        ("vif.default.x = 5\n", {"vif.default.x": "5"}),
        ("a=[]\nb=[\n\n]\n", {"a": [], "b": []}),
    ],
)
def test_the_grammar_of_xl(text: str, expected: dict[str, Any]) -> None:
    assert variables(text) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("memory = ", "expected a text in quotes or a number or a list, not the end of the line"),
        ("memory = xyz", "words are written in quotes"),
        ("Memory = 5", "lower case"),
        ("memory = -5", "in quotes"),
        ("memory 5", "expected '='"),
        ("disk = [,]", "not ','"),
        ("disk = ['a',,'b']", "not ','"),
        ("disk = ['a' 'b']", "expected ','"),
        ("name = 'abc", "does not end on this line"),
        (r"name = 'a\q'", "means nothing in a string"),
        ("memory = 5 5", "expected the end of the line"),
        ("name = 5\nname += 'x'", "cannot be added"),
        ("[1]", "expected a parameter"),
    ],
)
def test_xl_mistakes_have_their_place(line: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text(f"kernel='/k'\n{line}\n", source_name="g.cfg", format="xl")
    text = "\n".join(map(str, caught.value.problems))
    assert said in text
    assert caught.value.problems[-1].where.startswith(("g.cfg:2:", "g.cfg:3:"))


def test_every_wrong_line_is_reported_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text("memory = \nname 'x'\nvcpus = [\n", format="xl")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("text", "number"), [("64", 64), ("0100", 64), ("0x40", 64), ("-5", -5), ("5a", None), ("", None)]
)
def test_xl_numbers_are_those_of_c(text: str, number: int | None) -> None:
    assert strtol(text) == number


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("<xm/>", "xml"), ("\n  <domain/>", "xml"), ("# c\n(vm)", "sxp"), ('{"c_info":{}}', "json"),
        ("name='x'", "assignments"), ("", "assignments"), ("#", "assignments"),
    ],
)  # fmt: skip
def test_the_first_character_tells_the_family(text: str, format: str) -> None:
    assert format_of(text) == format


@pytest.mark.parametrize(
    ("line", "dialect"),
    [
        ("cpu_cap = 5", "xm"),
        ("dhcp = 'off'", "xm"),
        ("type = 'pv'", "xl"),
        ("type = 'pvh'; on_xend_start = 'start'", "xl"),
        ("cap = 5", "xl"),
        ("disk = ['/dev/a,raw,xvda,rw']", "xl"),
        ("disk = ['phy:/dev/a,xvda,w']", "xm"),
        ("memory = 64", "xm"),
        ("xx = 1 if 1 else 2; on_crash = 'restart'", "xm"),
    ],
)
def test_the_dialect_is_told_by_what_only_one_of_them_has(line: str, dialect: str) -> None:
    if "if 1" in line:
        line = "import os\n" + line
    assert load_text(HEAD + line + "\n").dialect == dialect


def test_defaults_are_those_of_the_dialect() -> None:
    xm, xl = (load_text(HEAD, format=format).config for format in ("xm", "xl"))
    assert (xm.memory_mib, xm.on_crash) == (128, Action.RESTART)
    assert (xl.memory_mib, xl.on_crash, xl.on_reboot) == (32, Action.DESTROY, Action.RESTART)


def test_an_hvm_guest_of_xm_has_what_xm_meant_by_silence() -> None:
    document = to_libxl(
        load_text("name='h'\nbuilder='hvm'\nkernel='/usr/lib/xen/boot/hvmloader'\n", format="xm").config
    )
    assert document["b_info"]["type.hvm"] == {"boot": "c", "hpet": "False", "vnc": {"enable": "False"}}
    assert "kernel" not in document["b_info"]
    xl = to_libxl(load_text("name='h'\ntype='hvm'\n", format="xl").config)
    assert xl["b_info"]["type.hvm"] == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("root='/dev/hda1 ro'\nextra='4'", "root=/dev/hda1 ro 4"),
        ("dhcp='dhcp'\nhostname='nbd4'\nroot='/dev/hda1 ro'\nextra='3'",
         "root=/dev/hda1 ro ip=:127.0.255.255:::nbd4:eth0:dhcp 3"),
        ("ip='192.0.2.5'\ngateway='192.0.2.1'\nnetmask='255.255.255.0'\nhostname='d3'\nroot='root=/dev/sda1 ro'\n"
         "extra='console=hvc0'",
         "root=/dev/sda1 ro ip=192.0.2.5:127.0.255.255:192.0.2.1:255.255.255.0:d3:eth0:off console=hvc0"),
        ("dhcp='dhcp'\nhostname='h'\nroot='/dev/nfs'\nnfs_server='192.0.2.9'\nnfs_root='/r'\nextra='x y'",
         "root=/dev/nfs ip=:192.0.2.9:::h:eth0:dhcp nfsroot=192.0.2.9:/r x y"),
        ("hostname='h'", ""),
        ("root='/dev/sda1'\nextra='ip=dhcp x'\nip='192.0.2.5'", "root=/dev/sda1 ip=dhcp x"),
    ],
)  # fmt: skip
def test_the_kernel_command_line_is_composed_as_xm_did(text: str, line: str) -> None:
    assert load_text(f"{HEAD}{text}\n", format="xm").config.cmdline == line


NICS: list[tuple[str, dict[str, Any]]] = [
    ("", {"devid": 0}),
    ("mac=00:16:3e:00:00:11, bridge=xenbr0", {"devid": 0, "mac": "00:16:3e:00:00:11", "bridge": "xenbr0"}),
    ("type=ioemu, bridge=xenbr0, model=e1000",
     {"devid": 0, "nictype": "vif_ioemu", "bridge": "xenbr0", "model": "e1000"}),
    ("type=netfront,bridge=br1", {"devid": 0, "nictype": "vif", "bridge": "br1"}),
    ("ip=192.0.2.5/24,script=vif-route,vifname=web0",
     {"devid": 0, "ip": "192.0.2.5/24", "script": "vif-route", "ifname": "web0"}),
    ("rate=10Mb/s", {"devid": 0, "rate_bytes_per_interval": 62500, "rate_interval_usecs": 50000}),
    ("rate=250KB/s@20ms", {"devid": 0, "rate_bytes_per_interval": 5000, "rate_interval_usecs": 20000}),
    ("rate=1Gb/s@1s", {"devid": 0, "rate_bytes_per_interval": 125000000, "rate_interval_usecs": 1000000}),
    ("backend=netdom,gatewaydev=eth0,trusted",
     {"devid": 0, "backend_domname": "netdom", "gatewaydev": "eth0", "trusted": "True"}),
    ("type=vif,untrusted,mtu=9000,vlan=10p/20,devid=3",
     {"devid": 3, "nictype": "vif", "trusted": "False", "mtu": 9000, "vlan": "10p/20"}),
    ("mac=00-16-3E-00-00-01", {"devid": 0, "mac": "00:16:3e:00:00:01"}),
    ("bridge = br0 , ip = 192.0.2.9", {"devid": 0, "bridge": "br0", "ip": "192.0.2.9"}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), NICS)
def test_a_vif_means_what_the_reference_says(spec: str, expected: dict[str, Any]) -> None:
    config = load_text(f"name='h'\nbuilder='hvm'\nvif=[{spec!r}]\n").config
    assert to_libxl(config, hotplug_script="")["nics"] == [expected]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("mac=00:16:3e:74:3d", "six pairs"), ("mac=01:16:3e:74:3d:00", "group address"), ("bridge", "pair"),
        ("rate=8b/s", "let nothing through"), ("rate=fast", "not understood"), ("brigde=x", "did you mean bridge?"),
        ("vifname=averyveryverylongname", "15 characters"), ("type=e1000", "ioemu or vif"), ("mtu=9", "mtu must be"),
    ],
)  # fmt: skip
def test_a_wrong_vif_is_refused(spec: str, said: str) -> None:
    with pytest.raises(InvalidConfig, match="vif") as caught:
        load_text(f"{HEAD}vif=[{spec!r}]\n")
    assert said in caught.value.for_user()


SXP = """
(domain # a listing
    (domid 5) (cpu_weight 512) (pool_name Pool-0) (bootloader '') (vcpus 2) (cpus ((0 2 3) (0 2 3)))
    (on_poweroff destroy) (description '') (on_crash preserve) (uuid 06ed00fe-1162-4fc4-b5d8-11993ee4a8b9)
    (name web1) (on_reboot restart) (maxmem 512) (memory 256) (shadow_memory 0) (vcpu_avail 3) (features '')
    (start_time 1396541742.13) (cpu_time 12.5) (online_vcpus 2)
    (image (linux (kernel /boot/vmlinuz-xenU) (ramdisk /boot/initrd-xenU.img)
        (args 'root=/dev/xvda1 ro console=hvc0') (superpages 0) (videoram 4) (nomigrate 0) (tsc_mode 0)))
    (status 2) (state -b----) (store_mfn 2143123)
    (device (vbd (uuid f2d83fdd-0df3-aa02-5579-38425f031ce5) (bootable 0) (dev xvdb:disk)
        (uname file:/srv/data.img) (mode r) (backend 0) (VDI '')))
    (device (vbd (bootable 1) (dev xvda1:disk) (uname phy:vg0/web1-root) (mode w) (backend 0)))
    (device (vif (bridge xenbr1) (mac 00:16:3E:00:00:12) (rate 10Mb/s) (ip 192.0.2.5) (backend 0)))
    (device (vkbd)) (device (vfb (vncunused 1) (vncpasswd s3cret) (vnc 1)))
    (device (console (protocol vt100) (location 2)))
    (device (pci (dev (domain 0x0000) (bus 0x07) (slot 0x00) (func 0x0) (vdevfn 0x100) (opts (msitranslate 0)))))
)
"""


def test_a_listing_of_xm_can_be_created_again() -> None:
    loaded = load_text(SXP)
    config = loaded.config
    assert loaded.warnings == []
    assert (config.name, config.memory_mib, config.maxmem_mib, config.vcpus) == ("web1", 256, 512, 2)
    assert config.cpus == ((0, 2, 3), (0, 2, 3))
    assert [disk.vdev for disk in config.disks] == ["xvda1", "xvdb"]
    assert config.disks[0].target == "/dev/vg0/web1-root"
    assert config.nics[0].mac == "00:16:3e:00:00:12"
    assert config.framebuffers[0].vnc.password == "s3cret"  # noqa: S105
    assert config.cmdline == "root=/dev/xvda1 ro console=hvc0"
    assert config.pci_devices[0].msitranslate is False
    assert config.on_crash is Action.PRESERVE


@pytest.mark.parametrize(
    ("text", "said"),
    [("(vm (name x)", "is not closed"), ("(vm))", "closes nothing"), ("(vm (name 'x))", "not closed"),
     ("(xend)", "defines no domain"), ("(" * 100, "too deeply"), ("(vm \x01)", "invalid character")],
)  # fmt: skip
def test_sxp_that_is_not_well_formed_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text(text)
    assert said in caught.value.for_user()


def test_sxp_is_printed_as_xm_did() -> None:
    assert [atom(text) for text in ("web-1", "a b", "it's", "", "/dev/x", "a=b", 5, "é")] == [
        "web-1", "'a b'", '"it\'s"', "''", "/dev/x", "'a=b'", "5", "'\\xc3\\xa9'",
    ]  # fmt: skip
    tree = [
        "device",
        [
            "vif",
            ["bridge", "xenbr0"],
            ["mac", "00:16:3e:1b:e8:18"],
            ["script", "/etc/xen/scripts/vif-bridge"],
        ],
    ]
    assert pretty(tree) == (
        "(device\n    (vif\n        (bridge xenbr0)\n        (mac 00:16:3e:1b:e8:18)\n"
        "        (script /etc/xen/scripts/vif-bridge)\n    )\n)\n"
    )


XML = """<?xml version="1.0" ?>
<xm><vm actions_after_crash="preserve" actions_after_reboot="restart" actions_after_shutdown="destroy"
 pool_name="Pool-0" vcpus_at_startup="2" vcpus_max="2">
 <name><label>web1</label><description> </description></name><version>0</version>
 <pv args="root=/dev/xvda1 ro console=hvc0" bootloader="" bootloader_args="" kernel="/boot/vmlinuz-xenU" ramdisk=""/>
 <memory dynamic_max="268435456" dynamic_min="268435456" static_max="536870912" static_min="0"/>
 <vbd bootable="1" device="xvda1" mode="RW" name="v" qos_algorithm_type="" type="disk" vdi="vdi5"/>
 <vif device="eth0" mac="00:16:3e:00:00:11" mtu="" name="vif-4" network="xenbr0" qos_algorithm_type=""/>
 <console protocol="rfb"/><platform key="nomigrate" value="0"/><vcpu_param key="weight" value="512"/>
 <vcpu_param key="cpumap0" value="0-3,^1"/><vcpu_param key="cpumap1" value="0-3,^1"/></vm>
 <vdi name="vdi5" read_only="False" sharable="False" size="-1" src="phy:vg0/web1-root" type="system"/></xm>"""


def test_xml_of_xm_is_read() -> None:
    config = load_text(XML).config
    assert (config.name, config.memory_mib, config.maxmem_mib) == ("web1", 256, 512)
    assert config.cpus == ((0, 2, 3),) * 2
    assert (config.disks[0].target, config.nics[0].bridge) == ("/dev/vg0/web1-root", "xenbr0")
    assert config.cmdline == "root=/dev/xvda1 ro console=hvc0"


LIBVIRT = """<domain type='xen' id='3'><name>web1</name><uuid>06ed00fe-1162-4fc4-b5d8-11993ee4a8b9</uuid>
<memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>524288</currentMemory>
<vcpu placement='static' cpuset='0-3,^1' current='1'>2</vcpu>
<os><type arch='x86_64' machine='xenpv'>linux</type><kernel>/boot/k</kernel><initrd>/boot/i</initrd>
<cmdline>root=/dev/xvda ro</cmdline></os><on_crash>restart</on_crash>
<devices><emulator>/usr/bin/qemu</emulator>
<disk type='block' device='disk'><driver name='phy'/><source dev='/dev/vg0/web1'/><target dev='xvda' bus='xen'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='hdc'/><readonly/></disk>
<interface type='bridge'><mac address='00:16:3e:5d:c7:9e'/><source bridge='xenbr0'/><target dev='vif3.0'/></interface>
<graphics type='vnc' port='5903' autoport='no' listen='127.0.0.1'/><tpm/></devices></domain>"""


def test_a_domain_of_libvirt_is_imported() -> None:
    loaded = load_text(LIBVIRT)
    config = loaded.config
    assert loaded.format == "libvirt"
    assert (config.memory_mib, config.maxmem_mib, config.vcpus, config.maxvcpus) == (512, 1024, 1, 2)
    assert config.disks[0].target == "/dev/vg0/web1"
    assert config.disks[1].cdrom
    assert config.nics[0].vifname is None
    assert config.framebuffers[0].vnc.display == 3
    assert loaded.warnings == ["<text>: <tpm>: not imported"]


@pytest.mark.parametrize(
    "text",
    [
        "<xm>",
        "<a/>",
        "<xm/>",
        '<!DOCTYPE a [<!ENTITY b "c">]><xm>&b;</xm>',
        "<xm>" + "<a>" * 200,
        "<domain/>",
        "<xm>&#0;",
    ],
)
def test_xml_that_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig):
        load_text(text)


def test_libxl_json_is_read_back() -> None:
    text = """{"c_info":{"type":"pv","name":"pv1","uuid":"3c2f6a2c-0000-4000-8000-000000000001"},
      "b_info":{"max_vcpus":4,"avail_vcpus":[0,1],"max_memkb":1048576,"target_memkb":524288,
      "rtc_timeoffset":-3600,"sched_params":{"weight":512,"cap":50},"kernel":"/boot/vmlinuz","type.pv":{}},
      "disks":[{"pdev_path":"/dev/vg0/pv1","vdev":"xvda1","format":"raw","readwrite":1}],
      "on_crash":"coredump_restart"}"""
    config = load_text(text).config
    assert (config.vcpus, config.maxvcpus, config.memory_mib, config.maxmem_mib) == (2, 4, 512, 1024)
    assert config.on_crash is Action.COREDUMP_RESTART
    assert config.on_reboot is Action.DESTROY
    assert config.rtc_timeoffset == -3600
    assert config.scheduling is not None
    assert config.scheduling.weight == 512


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"c_info":{}}', "c_info.type: missing"),
        ('{"c_info":{"type":"pv","name":"a"},"b_info":{"type.pv":{},"max_vcpus":"2"}}', "b_info.max_vcpus"),
        (
            '{"c_info":{"type":"pv","name":"a"},"b_info":{"type.pv":{},"localtime":true}}',
            'expected the string "True"',
        ),
        ('{"c_info":{"type":"pv","name":"a"},"b_info":{"type.pv":{},"type.hvm":{}}}', "exactly one"),
        ('{"c_info":', "not JSON"),
        ("{}", "no domain"),
        ("[]", "no domain"),
        ('{"a":' * 5000, "not JSON"),
    ],
)
def test_json_that_libxl_would_drop_or_die_of_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text(text)
    assert said in caught.value.for_user()


def test_the_schema_names_the_path_of_every_problem() -> None:
    document = {
        "c_info": {"type": "pv"},
        "b_info": {"type.pv": {}, "avail_vcpus": [1, 0]},
        "disks": [{"readwrite": True}],
    }
    found = dict(problems(document))
    assert found == {
        "b_info.avail_vcpus": "the numbers must ascend",
        "disks[0].readwrite": "expected a whole number",
    }


HVM = """
name='h1'; type='hvm'; memory=2048; vcpus=2
pci=['07:00.0@5,msitranslate=1', '0000:08:00.*', 'name=nic0']
cpuid='host,family=31,model=3,x2apic=0'
viridian=['defaults','synic','!stimer']
smbios=['system_manufacturer=Example']
cpus=['0-1','all']
ioports=['2f8-2ff']; irqs=[5]; iomem=['fe100,4@5']
usbctrl=['type=devicemodel,version=2,ports=6']; usbdev=['type=hostdev,hostbus=1,hostaddr=3,controller=0,port=1']
channel=['name=org.x,connection=socket,path=/run/a']; p9=['tag=t,path=/p,security_model=none']
vtpm=['backend=tpm']; vdispl=['connectors=id0:1920x1080;id1:800x600']
vkb=['backend-type=qemu,feature-abs-pointer=1,width=100']
vsnd=[['CARD,short-name=c,sample-rates=8000;9600','PCM,name=p','STREAM,unique-id=0,type=p,channels-max=2']]
pvcalls=['backend=0']
"""


def test_every_sort_of_device_reaches_libxl() -> None:
    document = to_libxl(load_text(HVM).config)
    build = document["b_info"]
    assert document["pcidevs"] == [
        {"domain": 0, "bus": 7, "dev": 0, "func": 0, "vfunc_mask": 1, "vdevfn": 40, "msitranslate": True},
        {"domain": 0, "bus": 8, "dev": 0, "func": 0, "vfunc_mask": 4294967295},
        {"name": "nic0"},
    ]
    assert build["cpuid"] == [
        {"leaf": 1, "eax": "xxxx000100000000xxxx11110011xxxx", "ecx": "xxxxxxxxxx0xxxxxxxxxxxxxxxxxxxxx"}
    ]
    assert build["type.hvm"]["viridian_enable"] == [VIRIDIAN.index("synic")]
    assert build["vcpu_hard_affinity"][0] == [0, 1]
    assert build["iomem"] == [{"start": 0xFE100, "number": 4, "gfn": 5}]
    assert document["usbdevs"] == [{"ctrl": 0, "port": 1, "type.hostdev": {"hostbus": 1, "hostaddr": 3}}]
    assert document["channels"][0]["connection.socket"] == {"path": "/run/a"}
    assert document["vsnds"][0]["pcms"][0]["streams"][0]["params"] == {"channels_max": 2}
    assert document["vdispls"][0]["connectors"][1] == {"unique_id": "id1", "width": 800, "height": 600}
    assert document["vkbs"][0]["feature_abs_pointer"] is True


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("memory = 512\nmaxmem = 256", "exceeds maxmem"),
        ("memory = 0", "too small"),
        ("memory = '1G'", "write 1024"),
        ("vcpus = 4\nmaxvcpus = 2", "exceeds maxvcpus"),
        ("cpus = '5-3'", "not a CPU"),
        ("cpus = '1,^1'", "leaves no CPU"),
        ("uuid = '123'", "uuid"),
        ("name = '12'", "digits only"),
        ("builder = 'hvm'\ntype = 'pv'", "contradicts"),
        ("nfs_root = '/r'", "needs nfs_server"),
        ("on_crash = 'explode'", "expected one of"),
        ("pci = ['zz']", "not a PCI address"),
        ("ioports = ['5-3']", "ends before it begins"),
        ("cpuid = ['1:ecx=xxx']", "has 3 characters"),
        ("cpuid = 'host,x2apci=0'", "did you mean x2apic?"),
        ("vfb = ['vnc=1,vncpaswd=x']", "did you mean vncpasswd?"),
        ("channel = ['name=x']", "connection=pty"),
        ("vtpm = ['uuid=5']", "needs backend"),
        ("disk = 5", "expected a list"),
        ("memory = [1]", "expected a whole number"),
        ("on_shutdown = 'destroy'", "did you mean on_poweroff?"),
        ("bootarg = '-q'", "did you mean bootargs?"),
        ("kernle = '/x'", "did you mean kernel?"),
        ("access_control = ['policy=p,label=l', 'policy=q,label=m']", "only one"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(line: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text(HEAD + line + "\n", source_name="g.cfg")
    assert said in caught.value.for_user()
    assert "g.cfg:" in caught.value.for_user()


@pytest.mark.parametrize(
    "line",
    ["tsc_mode = 3", "device_model_version = 'qemu-xen-traditional'", "builder = 'hvm'\nbios = 'rombios'"],
)
def test_a_value_that_xen_removed_is_passed_over_with_a_warning(line: str) -> None:
    loaded = load_text(HEAD + line + "\n")
    assert any("was removed from Xen" in warning for warning in loaded.warnings)
    assert not list(problems(to_libxl(loaded.config)))


def test_what_is_gone_warns_once_and_says_why() -> None:
    loaded = load_text(HEAD + "vscsi = ['a,b']\nsuperpages = 1\n")
    assert len(loaded.warnings) == 2
    assert "no longer supported" in loaded.warnings[0]


def test_the_command_line_of_an_hvm_guest_without_a_kernel_is_dropped_with_a_warning() -> None:
    loaded = load_text("name='h'\nbuilder='hvm'\nroot='/dev/x'\nextra='y'\n", format="xm")
    assert loaded.config.cmdline == ""
    assert len(loaded.warnings) == 2


def test_pvh_and_node_expressions() -> None:
    config = load_text(HEAD + "type = 'pvh'\ncpus = 'node:1,^5'\nvcpus = 2\n").config
    assert config.guest_type is GuestType.PVH
    document = to_libxl(config, host_nodes=[[0, 1, 2, 3], [4, 5, 6, 7]])
    assert document["b_info"]["vcpu_hard_affinity"] == [[4, 6, 7], [4, 6, 7]]
