# ruff: noqa: E501 - tables of specifications read best with one on a line
"""Properties: no text ends in anything but a configuration or an error with its place; languages round-trip."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domus.config import load_text
from domus.config.compile import to_libxl
from domus.config.compile.schema import problems
from domus.config.loading import decode
from domus.config.parameters import TABLE
from domus.config.writing import convert
from domus.config.writing.losses import differences
from domus.model import config as model
from domus.model.config import Action, Disk, DiskFormat, DomainConfig, GuestType, Nic, NicKind
from domus.model.errors import ConfigError

WORDS = st.sampled_from(
    [
        "=",
        "+=",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ";",
        ":",
        ".",
        "\n",
        "\n\n",
        "'",
        '"',
        "#",
        "\\",
        "\t",
        "0",
        "1",
        "0x1f",
        "077",
        "10L",
        "3.5",
        "'a'",
        '"b"',
        "f'{x}'",
        'f"{x:>5}"',
        "None",
        "True",
        "x",
        "y",
        "name\n",
        "",
        "",
        "",
        "memory",
        "vcpus",
        "disk",
        "vif",
        "cpus",
        "cpuid",
        "pci",
        "vfb",
        "kernel",
        "builder",
        "'hvm'",
        "'phy:/dev/a,xvda,w'",
        "'mac=00:16:3e:00:00:01'",
        "import",
        "os\n",
        "",
        "",
        "",
        "re",
        "sys",
        "print",
        "def",
        "f",
        "return",
        "lambda",
        "if",
        "else",
        "elif",
        "for",
        "in",
        "while",
        "try",
        "except",
        "finally",
        "raise",
        "del",
        "global",
        "pass",
        "break\n",
        "",
        "",
        "",
        "continue",
        "and",
        "or",
        "not",
        "is",
        "%",
        "**",
        "*",
        "/",
        "//",
        "-",
        "+",
        "<<",
        ">>",
        "<",
        ">",
        "==",
        "!=",
        "<>",
        "`",
        "@",
        "~",
        "^",
        "|",
        "&",
        ":5",
        "x.",
        ".append",
        ".format",
        ".__class__",
        "()",
        "range\n",
        "",
        "",
        "",
        "'a'*9",
        "str",
        "int",
        "len",
        "map",
        "re.search('(a+)+b',",
        "'aaaa')",
        "exec",
        "eval",
        "open",
        "<vm>",
        "</vm>",
        "<xm>",
        "<domain>",
        "(vm",
        "(name",
        "(image\n",
        "",
        "",
        "",
        '{"c_info":',
        '"b_info"',
        '"type.pv"',
        "null",
        "1e9",
        "\x00",
        "\ufeff",
        "é",
        "\u2028",
        "",
    ]
)
SOUP = st.lists(WORDS, max_size=40).map(" ".join)
LINES = st.lists(
    st.tuples(st.sampled_from(sorted(TABLE)), st.sampled_from(["=", "+="]), st.sampled_from([
        "1", "0", "-1", "'x'", "['a']", "[]", "''", "'1,2'", "[[1]]", "1.5", "10**30", "None", "{'a': 1}", "'a=b'",
        "['a=b,c']", "['phy:/dev/a,xvda,w']", "['type=ioemu']", "'0-3,^1'", "[['pnode=0']]", "True", "'\\x00'",
    ])).map(" ".join),
    max_size=12,
).map("\n".join)  # fmt: skip


def outcome(text: str, format: str | None = None) -> None:
    """Read a text: it is a configuration that libxl takes, or it is refused with a line."""
    try:
        loaded = load_text(text, source_name="f.cfg", format=format)
    except ConfigError as error:
        assert error.for_user()
        assert "\n" not in error.what
        return
    try:
        document = to_libxl(loaded.config, on_this_host=False)
    except model_errors():
        return
    assert not list(problems(document))


def model_errors() -> type[Exception]:
    """What compiling may say of a host that we do not have (CPU lists by node)."""
    from domus.model.errors import BadInput

    return BadInput


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=200), SOUP, LINES))
def test_any_text_is_a_configuration_or_an_error_with_its_place(text: str) -> None:
    outcome(text)


@settings(max_examples=150)
@given(st.one_of(st.text(max_size=100), SOUP, LINES), st.sampled_from(["xm", "xl", "sxp", "xml", "json"]))
def test_any_text_in_a_forced_language_too(text: str, format: str) -> None:
    outcome(text, format)


@settings(max_examples=200)
@given(LINES)
def test_any_parameter_with_any_value_compiles_or_is_refused(lines: str) -> None:
    for builder in ("linux", "hvm"):
        outcome(f"name = 'd'\nkernel = '/k'\nbuilder = '{builder}'\n{lines}\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_are_refused(data: bytes) -> None:
    try:
        outcome(decode(data, "f.cfg"))
    except ConfigError as error:
        assert error.where == "f.cfg"


TREES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 2**40, "x", "True", "1.5", [], {}]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(
            ["c_info", "b_info", "type", "name", "type.pv", "type.hvm", "disks", "nics", "vdev", "mac", "format", "on_crash", "vnc", "enable", "cpuid", "leaf", "max_vcpus", "vcpu_hard_affinity", "vsnds", "pcms", "usbdevs", "type.hostdev", "channels", "connection.socket", "spice", "xenstore_quota"]
        ), inner, max_size=5),
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=200)
@given(TREES)
def test_any_json_is_a_configuration_or_an_error(tree: Any) -> None:
    text = msgspec.json.encode(
        {"c_info": {"type": "pv", "name": "a"}, "b_info": {"type.pv": {}}, "disks": tree}
    ).decode()
    outcome(text)
    outcome(
        msgspec.json.encode(
            {"c_info": {"type": "pv", "name": "a"}, **(tree if isinstance(tree, dict) else {})}
        ).decode()
    )


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
PATH = WORD.map(lambda word: f"/srv/{word}.img")
DISKS = st.lists(
    st.builds(
        Disk,
        vdev=st.integers(0, 15).map(lambda index: f"xvd{chr(97 + index)}"),
        target=PATH,
        format=st.sampled_from([DiskFormat.RAW, DiskFormat.QCOW2, DiskFormat.VHD, DiskFormat.QED]),
        writable=st.booleans(),
        backend=st.sampled_from([None, "qdisk"]),
        script=st.sampled_from([None, "block-drbd", "mine", "/usr/local/sbin/mine"]),
        backend_domain=st.none() | WORD.map(lambda word: f"d{word}"),
        discard=st.none() | st.booleans(),
        direct_io_safe=st.booleans(),
        trusted=st.none() | st.booleans(),
    ),
    max_size=3,
    unique_by=(lambda disk: disk.vdev, lambda disk: disk.target),
)
NICS = st.lists(
    st.builds(
        Nic,
        mac=st.none() | st.integers(0, 0xFFFF).map(lambda n: f"00:16:3e:00:{n >> 8:02x}:{n & 255:02x}"),
        bridge=st.none() | WORD,
        ips=st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2/24"]), max_size=2).map(tuple),
        model=st.none() | WORD,
        kind=st.none() | st.just(NicKind.VIF),
        mtu=st.none() | st.integers(68, 9000),
        devid=st.none() | st.integers(10, 19),
        vifname=st.none() | WORD,
        script=st.none() | WORD,
        gateway_device=st.none() | WORD,
        vlan=st.sampled_from([None, "10", "10p/20"]),
        backend_domain=st.none() | WORD.map(lambda word: f"d{word}"),
        trusted=st.none() | st.booleans(),
    ),
    max_size=3,
    unique_by=lambda nic: nic.mac or id(nic),
)
FLAGS = st.none() | st.booleans()
SCREENS = st.sampled_from(
    [
        (),
        (
            model.Framebuffer(
                vnc=model.Vnc(enable=True, listen="::1", password="", display=3, find_unused=False),
                sdl=model.Sdl(enable=False),
                keymap="de",
            ),
            model.Framebuffer(
                vnc=model.Vnc(enable=False), sdl=model.Sdl(enable=True, opengl=False, display=":0")
            ),
        ),
    ]
)
PCI = st.lists(
    st.builds(
        model.PciDevice,
        domain=st.integers(0, 1),
        bus=st.integers(0, 255),
        device=st.integers(0, 31),
        function=st.integers(0, 7),
        vdevfn=st.none() | st.integers(0, 31).map(lambda slot: slot << 3),
        msitranslate=FLAGS,
        seize=FLAGS,
    )
    | st.builds(model.PciDevice, bus=st.integers(0, 255), all_functions=st.just(True), permissive=FLAGS),
    max_size=2,
    unique=True,
).map(tuple)
HVM = st.builds(
    model.Hvm,
    boot=st.sampled_from(["c", "cda", "n"]),
    hpet=st.booleans(),
    pae=FLAGS,
    acpi_s3=FLAGS,
    vga=st.sampled_from([None, "stdvga", "cirrus", "none"]),
    vnc=st.builds(model.Vnc, enable=st.booleans(), listen=st.sampled_from([None, "0.0.0.0"]),  # noqa: S104
                  password=st.sampled_from([None, "", "s'e\"c ret\\"]), display=st.none() | st.integers(0, 99)),
    serial=st.lists(st.sampled_from(["pty", "file:/x"]), max_size=2).map(tuple),
    usbdevices=st.lists(st.sampled_from(["tablet", "mouse"]), max_size=2).map(tuple),
    viridian=FLAGS,
    smbios=st.sampled_from([(), (("oem", "a=b"), ("oem", "c"))]),
    spice=st.builds(model.Spice, enable=FLAGS, port=st.integers(1, 65535), disable_ticketing=st.just(True)),
)  # fmt: skip


@st.composite
def configs(draw: st.DrawFn) -> DomainConfig:
    """Configurations that every good language can say."""
    guest_type = draw(st.sampled_from(list(GuestType)))
    memory = draw(st.integers(1, 4096))
    is_hvm = guest_type is GuestType.HVM
    return DomainConfig(
        name=draw(WORD.map(lambda word: f"d{word}")),
        uuid=draw(st.none() | st.uuids().map(str)),
        guest_type=guest_type,
        kernel=None if is_hvm else draw(PATH),
        ramdisk=None if is_hvm else draw(st.none() | PATH),
        cmdline=""
        if is_hvm
        else draw(st.sampled_from(["", "root=/dev/xvda1 ro", "a 'b' \"c\" \\d é", "ip=dhcp x"])),
        memory_mib=memory,
        maxmem_mib=draw(st.none() | st.integers(memory + 1, 8192)),
        vcpus=draw(st.integers(1, 4)),
        maxvcpus=draw(st.none() | st.integers(5, 8)),
        on_poweroff=draw(st.sampled_from(list(Action)[:4])),
        on_reboot=draw(st.sampled_from(list(Action)[:4])),
        on_crash=draw(st.sampled_from(list(Action))),
        on_watchdog=draw(st.sampled_from(list(Action)[:4])),
        disks=tuple(draw(DISKS)),
        nics=tuple(draw(NICS)),
        hvm=draw(HVM) if is_hvm else None,
        scheduling=draw(
            st.none() | st.builds(model.Scheduling, weight=st.integers(1, 65535), cap=st.integers(0, 400))
        ),
        localtime=draw(FLAGS),
        rtc_timeoffset=draw(st.none() | st.integers(-(2**31), 2**31 - 1)),
        irqs=tuple(draw(st.lists(st.integers(0, 255), max_size=2))),
        ioports=draw(st.sampled_from([(), (model.IoRange(first=0x2F8, number=8),)])),
        timer_mode=draw(st.sampled_from([None, "one_missed_tick_pending"])) if is_hvm else None,
        event_channels=draw(st.none() | st.integers(0, 4096)),
        channels=draw(st.sampled_from([(), (model.Channel(name="a", connection="pty"),)])),
        bootloader_args=tuple(draw(st.lists(st.sampled_from(["-q", "a b", "'"]), max_size=2))),
        bootloader=None if is_hvm else draw(st.sampled_from([None, "pygrub"])),
        security_label=draw(st.sampled_from([None, "system_u:system_r:domU_t"])),
        framebuffers=() if is_hvm else draw(SCREENS),
        pci_devices=draw(PCI) if guest_type is GuestType.PV else (),
        e820_host=True if guest_type is GuestType.PV else None,
        vtpms=draw(st.sampled_from([(), (model.Vtpm(backend_domain="tpm"),)])),
        cpuid=draw(st.sampled_from([(), (model.CpuidLeaf(leaf=1, ecx="x" * 31 + "0"),)])),
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(configs())
@pytest.mark.parametrize("language", ["xm", "xl", "sxp", "json"])
def test_a_configuration_comes_back_from_its_language_as_it_was(language: str, config: DomainConfig) -> None:
    written = convert(config, language)
    assert written.losses == ()
    loaded = load_text(written.text, format=language, source_name="r.cfg")
    assert loaded.config == config


@settings(max_examples=60)
@given(configs())
def test_xml_says_what_it_loses_and_nothing_else(config: DomainConfig) -> None:
    written = convert(config, "xml")
    back = load_text(written.text).config
    assert len(written.losses) == len(list(differences(config, back)))
    lost = {loss.partition(":")[0].partition("[")[0] for loss in written.losses}
    assert not lost & {"name", "memory_mib", "maxmem_mib", "vcpus", "kernel", "cmdline", "boot", "vncpasswd"}
    assert not lost & {"on_poweroff", "on_watchdog", "on_soft_reset", "cap", "cpu_weight", "rtc_timeoffset"}
    assert len(back.disks) == len(config.disks)


@given(configs())
def test_what_is_compiled_fits_the_schema_and_is_what_the_model_says(config: DomainConfig) -> None:
    document = to_libxl(config)
    assert document["b_info"]["target_memkb"] == config.memory_mib * 1024
    assert document["b_info"]["avail_vcpus"] == list(range(config.vcpus))
    assert {"on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset"} <= document.keys()
    assert len(msgspec.json.encode(document)) < 10_000
