"""How earlier toolstacks were broken, and what keeps it from happening here: what code alone shows.

`docs/security.md` lists all of them with their tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import domus
from domus.config import load_text
from domus.config.compile import to_libxl
from domus.model.errors import BadInput
from domus.model.names import check_domain_name

SOURCES = Path(domus.__file__).parent

#: who may start programs: the one door; and the lab's agent, a program of its own whose work it is
STARTERS = {"programs/__init__.py", "lab/agent.py"}
#: what would run text as code, or text as a command
DANGEROUS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "marshal.loads",
    "subprocess.getoutput",
    "asyncio.create_subprocess_shell",
}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in our sources: the file, the call, and the name of what is called."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield str(path.relative_to(SOURCES)), node, ast.unparse(node.func)


def test_no_text_is_ever_run_as_code_or_by_a_shell() -> None:
    found = [(path, node.lineno, name) for path, node, name in calls() if name in DANGEROUS]
    found += [
        (path, node.lineno, name)
        for path, node, name in calls()
        for word in node.keywords
        if word.arg == "shell"
    ]
    assert found == []


def test_programs_are_started_through_one_door() -> None:
    starting = re.compile(
        r"subprocess\.(run|Popen|call|check_\w+)|asyncio\.create_subprocess_\w+|os\.(exec|spawn|posix_spawn)\w*"
    )
    assert {path for path, _, name in calls() if starting.fullmatch(name)} - STARTERS == set()


@pytest.mark.parametrize("name", ["a b", "a;b", "$(id)", "a/b", "../x", "a\nb", "a'b", "", "ü", "a" * 500])
def test_a_name_that_could_mean_something_to_a_shell_or_a_path_is_none(name: str) -> None:
    with pytest.raises(BadInput):
        check_domain_name(name)


def test_a_disk_without_a_format_is_raw_whatever_its_first_bytes_say(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"QFI\xfb" + bytes(508))  # a guest may write this into its raw disk
    for format, disk in (("xm", f"file:{image},xvda,w"), ("xl", f"{image},,xvda,w")):
        config = load_text(f"name='a'\nkernel='/k'\ndisk=['{disk}']\n", format=format).config
        (document,) = to_libxl(config)["disks"]
        assert document["format"] == "raw"


def test_a_read_only_disk_is_told_to_libxl_as_one() -> None:
    config = load_text("name='a'\nkernel='/k'\ndisk=['file:/i,xvda,r']\n", format="xm").config
    (document,) = to_libxl(config)["disks"]
    assert document["readwrite"] == 0


def test_a_screen_listens_on_the_loopback_unless_told_otherwise() -> None:
    config = load_text("name='a'\nbuilder='hvm'\nvnc=1\n", format="xm").config
    vnc = to_libxl(config)["b_info"]["type.hvm"]["vnc"]
    assert vnc.get("listen", "127.0.0.1") == "127.0.0.1"
    silent = to_libxl(load_text("name='a'\nbuilder='hvm'\nvnc=0\n", format="xm").config)
    assert silent["b_info"]["type.hvm"].get("vnc", {}).get("enable") != "True"
