"""`xm create -n`, `xm convert` and `xm schema`: what a configuration file says, in other languages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from domus.cli.completion.bash import script
from domus.cli.declared.options import LANGUAGES
from domus.cli.main import main
from domus.config import load
from domus.config.detection import FORMATS

G1 = """name = "g1"
uuid = "6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10"
kernel = "{kernel}"
root = "/dev/xvda1 ro"
extra = "console=hvc0"
memory = 512
vcpus = 2
disk = ["phy:/dev/vg0/g1,xvda,w"]
vif = ["bridge=xenbr0,mac=00:16:3e:1b:e8:18"]
"""

SXP = """(vm
    (name g1)
    (memory 512)
    (on_poweroff destroy)
    (on_reboot restart)
    (on_crash restart)
    (vcpus 2)
    (uuid 6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10)
    (image (linux (kernel /dev/null) (args 'root=/dev/xvda1 ro console=hvc0')))
    (device (vbd (uname phy:/dev/vg0/g1) (dev xvda) (mode w)))
    (device (vif (bridge xenbr0) (mac 00:16:3e:1b:e8:18)))
)
"""

XL = """name = "g1"
type = "pv"
cmdline = "root=/dev/xvda1 ro console=hvc0"
uuid = "6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10"
kernel = "/dev/null"
memory = 512
vcpus = 2
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "restart"
on_watchdog = "destroy"
on_soft_reset = "soft-reset"
disk = [ "vdev=xvda,format=raw,access=rw,target=/dev/vg0/g1" ]
vif = [ "mac=00:16:3e:1b:e8:18,bridge=xenbr0" ]
"""

XML_LOSSES = "Warning: uuid: xm's XML has no place for it\n"

USING = 'Using config file "./g1.cfg".\n'


@pytest.fixture(autouse=True)
def g1(tmp_path: Path) -> Path:
    path = tmp_path / "g1.cfg"
    path.write_text(G1.format(kernel="/dev/null"))
    return path


def run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    status = main(line.split())
    out, err = capsys.readouterr()
    return status, out, err


def test_a_dry_run_prints_sxp_and_everything_else_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "create -n g1.cfg") == (0, SXP, USING)
    assert run(capsys, "create -nq g1.cfg") == (0, SXP, "")


def test_a_dry_run_tells_what_the_file_prints_and_what_is_missing_here(
    capsys: pytest.CaptureFixture[str], g1: Path
) -> None:
    g1.write_text(G1.format(kernel="/no/kernel") + 'print("hello")\nvhpt = 1\n')
    status, out, err = run(capsys, "create -n g1.cfg")
    assert (status, out) == (0, SXP.replace("/dev/null", "/no/kernel"))
    assert err == (
        f"{USING}hello\n"
        "Warning: g1.cfg:11:8: vhpt: has no meaning on today's Xen (it was for Itanium)\n"
        'Warning: Cannot find kernel "/no/kernel" on this machine\n'
    )


def test_a_dry_run_looks_into_images_that_are_here(
    capsys: pytest.CaptureFixture[str], g1: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.img").write_bytes(b"QFI\xfb\0\0\0\3" + bytes(1016))
    g1.write_text(G1.format(kernel="/dev/null").replace("phy:/dev/vg0/g1", f"file:{tmp_path}/a.img"))
    status, _, err = run(capsys, "create -n g1.cfg")
    said = f"disk[0]: {tmp_path}/a.img is declared raw but looks like qcow2"
    assert (status, err) == (0, f"{USING}Warning: {said}\n")


def test_a_kernel_inside_of_the_guest_is_not_missed_here(
    capsys: pytest.CaptureFixture[str], g1: Path
) -> None:
    g1.write_text(G1.format(kernel="/no/kernel") + 'bootloader = "pygrub"\n')
    assert run(capsys, "create -n g1.cfg")[2] == USING


def test_a_dry_run_prints_json_of_what_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "create -nq --json g1.cfg")
    assert (status, err) == (0, "")
    said = json.loads(out)
    assert list(said)[:3] == ["name", "uuid", "guest_type"]
    assert (said["name"], said["vcpus"], said["disks"][0]["target"]) == ("g1", 2, "/dev/vg0/g1")
    assert "ramdisk" not in said


@pytest.mark.parametrize("options", ["-x", "-nx", "--xmldryrun --skipdtd"])
def test_a_dry_run_prints_xml(capsys: pytest.CaptureFixture[str], options: str) -> None:
    status, out, err = run(capsys, f"create -q {options} g1.cfg")
    assert (status, err) == (0, XML_LOSSES)
    assert out.startswith('<?xml version="1.0" ?>\n<xm>\n\t<vm ')
    assert "\t\t\t<label>g1</label>\n" in out
    assert out.endswith("</xm>\n")


def test_what_a_dry_run_prints_can_be_created_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "g1.sxp").write_text(SXP)
    assert run(capsys, "create -nq -F g1.sxp") == (0, SXP, "")
    assert run(capsys, "create -nq g1.sxp memory=256")[1] == SXP.replace("512", "256")


@pytest.mark.parametrize("options", ["-F g1.cfg", "--format=sxp g1.cfg"])
def test_a_forced_language_is_not_told_by_the_content(
    capsys: pytest.CaptureFixture[str], options: str
) -> None:
    assert run(capsys, f"create -nq {options}") == (
        1,
        "",
        "Error: g1.cfg: this defines no domain (expected (vm ...) or (domain ...))\n",
    )


def test_every_mistake_is_told_at_once(capsys: pytest.CaptureFixture[str], g1: Path) -> None:
    g1.write_text('name = "g1"\nkernel = "/k"\nmemmory = 1\nvif = ["brigde=x"]\n')
    assert run(capsys, "create -nq g1.cfg") == (
        1,
        "",
        "Error: g1.cfg:3:1: unknown parameter 'memmory' (did you mean memory?)\n"
        "    memmory = 1\n"
        "    ^\n"
        "Error: g1.cfg:4:9: vif[0]: unknown key 'brigde' (did you mean bridge?)\n"
        '    vif = ["brigde=x"]\n'
        "            ^\n",
    )


def test_help_config_prints_the_table_of_variables_and_reads_no_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, err = run(capsys, "create --help_config")
    assert (status, err) == (0, "")
    assert out.startswith(
        "\n"
        "Values:\n"
        "\n"
        "name=NAME            Name of the domain, unique on its host. Default: xm:\n"
        "                     the name of the file.\n"
    )
    assert out.endswith("\n\n")


@pytest.mark.parametrize(
    ("options", "text", "losses"),
    [
        ("--to xl", XL, ""),
        ("--to=sxp", SXP, ""),
        ("--to=xl --format=xm", XL, ""),
        ("--to=sxp memory=64 name=g2", SXP.replace("512", "64").replace("name g1", "name g2"), ""),
    ],
)
def test_convert_writes_another_language(
    capsys: pytest.CaptureFixture[str], options: str, text: str, losses: str
) -> None:
    assert run(capsys, f"convert g1.cfg {options}") == (0, text, losses)


def test_convert_tells_what_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "convert g1.cfg --to=xml")
    assert (status, err) == (0, XML_LOSSES)
    assert out.startswith("<?xml")


@pytest.mark.parametrize("language", ["xm", "xl", "sxp", "json"])
def test_what_is_converted_means_the_same(
    capsys: pytest.CaptureFixture[str], g1: Path, language: str
) -> None:
    assert run(capsys, f"convert g1.cfg --to={language} -o out") == (0, "", "")
    assert load("out", format=language).config == load(g1).config


def test_convert_overwrites_a_file_only_by_force(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    refusal = (1, "", "Error: out exists already (--force replaces it)\n")
    assert run(capsys, "convert g1.cfg --to=xl -o out") == refusal
    assert (tmp_path / "out").read_text() == "precious"
    assert run(capsys, "convert g1.cfg --to=xl --output=out --force") == (0, "", "")
    assert (tmp_path / "out").read_text() == XL
    assert run(capsys, "convert g1.cfg --to=xl -o no/such") == (
        1,
        "",
        "Error: no/such: No such file or directory\n",
    )


def test_a_link_to_nowhere_is_not_written_through(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    assert run(capsys, "convert g1.cfg --to=xl -o out")[0] == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_with_mistakes_is_not_converted(
    capsys: pytest.CaptureFixture[str], g1: Path, tmp_path: Path
) -> None:
    g1.write_text('memmory = 1\nkernel = "/k"\n')
    status, out, err = run(capsys, "convert g1.cfg --to=xl -o out")
    assert (status, out) == (1, "")
    assert err.startswith("Error: g1.cfg:1:1: unknown parameter 'memmory'")
    assert not (tmp_path / "out").exists()


def test_schema_prints_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "schema")
    assert (status, err) == (0, "")
    schema = json.loads(out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["vcpus"]["type"] == "integer"


def test_the_command_names_the_languages_that_there_are() -> None:
    assert set(LANGUAGES) == set(FORMATS)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("xm convert g1.cfg --to s", "sxp"),
        ("xm check --format x", "xm xl xml"),
        ("xm create --help_", "--help_config"),
    ],
)
def test_completion_offers_languages(words: str, offered: str) -> None:
    at = len(words.split()) - 1
    program = f'{script()}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _xm; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{offered}\n"
