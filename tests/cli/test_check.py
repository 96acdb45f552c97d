"""`xm check`: many files and directories, every mistake, warnings apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domus.cli.main import main


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "fine.cfg").write_text('name = "fine"\nkernel = "/k"\n')
    (tmp_path / "d" / "doubtful").write_text('name = "doubtful"\nkernel = "/k"\nvhpt = 1\n')
    (tmp_path / "d" / "wrong").write_text('name = "wrong"\nkernel = "/k"\nmemmory = 1\nvcpus = "two"\n')
    (tmp_path / "d" / "wrong~").write_text("an editor's copy")
    (tmp_path / "d" / ".hidden").write_text("nothing of ours")
    (tmp_path / "empty").mkdir()


WRONG = (
    "Error: d/wrong:3:1: unknown parameter 'memmory' (did you mean memory?)\n"
    "    memmory = 1\n"
    "    ^\n"
    "Error: d/wrong:4:9: vcpus: expected a whole number, 1 to 4096, not 'two'\n"
    '    vcpus = "two"\n'
    "            ^\n"
)
DOUBTFUL = "Warning: d/doubtful:3:8: vhpt: has no meaning on today's Xen (it was for Itanium)\n"


def run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    status = main(line.split())
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize(
    ("line", "status", "out", "err"),
    [
        ("fine.cfg", 0, "fine.cfg: no mistakes\n", ""),
        ("d/doubtful", 0, "d/doubtful: no mistakes\n", DOUBTFUL),
        ("d/wrong", 1, "", WRONG),
        (
            "d fine.cfg",
            1,
            "d/doubtful: no mistakes\nfine.cfg: no mistakes\n3 files: 1 with mistakes, 1 with warnings\n",
            DOUBTFUL + WRONG,
        ),
        ("empty", 1, "", "Error: ./empty: no files in it\n"),
        ("fine", 1, "", "Error: Unable to open config file: fine (did you mean ./fine.cfg?)\n"),
        ("--path=d doubtful", 0, "d/doubtful: no mistakes\n", DOUBTFUL),
        (
            "--format=sxp fine.cfg",
            1,
            "",
            "Error: fine.cfg: this defines no domain (expected (vm ...) or (domain ...))\n",
        ),
    ],
)
def test_check_tells_mistakes_and_warnings(
    capsys: pytest.CaptureFixture[str], line: str, status: int, out: str, err: str
) -> None:
    assert run(capsys, f"check {line}") == (status, out, err)


def test_a_missing_file_does_not_keep_the_others_from_being_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(capsys, "check nosuch fine.cfg") == (
        1,
        "fine.cfg: no mistakes\n2 files: 1 with mistakes, 0 with warnings\n",
        "Error: Unable to open config file: nosuch\n",
    )
    status, out, err = run(capsys, f"check {'n' * 300} fine.cfg")
    assert (status, out.splitlines()[0]) == (1, "fine.cfg: no mistakes")
    assert err == f"Error: {'n' * 300}: File name too long\n"


def test_json_has_errors_and_warnings_of_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check --json d fine.cfg")
    assert (status, err) == (1, "")
    doubtful, wrong, fine = json.loads(out)
    assert doubtful == {
        "file": "d/doubtful",
        "ok": True,
        "errors": [],
        "warnings": [
            {
                "what": "vhpt: has no meaning on today's Xen",
                "where": "d/doubtful:3:8",
                "hint": "it was for Itanium",
                "source": "vhpt = 1",
                "caret": 8,
            }
        ],
        "files": [],
    }
    assert (wrong["file"], wrong["ok"], len(wrong["errors"])) == ("d/wrong", False, 2)
    assert wrong["errors"][0]["hint"] == "did you mean memory?"
    assert fine == {"file": "fine.cfg", "ok": True, "errors": [], "warnings": [], "files": []}


VMID = """
xm_vars.var('vmid', use="Number of the machine.", check=lambda name, given: int(given))
xm_vars.check()
name = "web%d" % vmid
kernel = "/k"
"""


def test_variables_of_the_command_line_are_for_the_files_that_take_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "web").write_text(VMID)
    fine = "web: no mistakes\nfine.cfg: no mistakes\n2 files: 0 with mistakes, 0 with warnings\n"
    assert run(capsys, "check web fine.cfg vmid=3") == (0, fine, "")
    status, _, err = run(capsys, "check web")
    assert (status, err.splitlines()[0]) == (
        1,
        "Error: web:2:77: vmid - int() needs a number or a text, not None "
        "(this file takes parameters: vmid=... Number of the machine.)",
    )
    assert run(capsys, "check fine.cfg memory=many") == (
        1,
        "",
        "Error: command line: memory: expected a whole number of MiB, 1 to 67108864, not 'many' "
        "(the unit is MiB)\n",
    )


@pytest.mark.parametrize("named", ["fine.cfg", "web fine.cfg vmid=3"])
def test_a_variable_that_no_file_takes_is_a_mistake(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, named: str
) -> None:
    (tmp_path / "web").write_text(VMID)
    status, out, err = run(capsys, f"check {named} memroy=5")
    assert (status, err) == (1, "Error: command line: unknown parameter 'memroy' (did you mean memory?)\n")
    assert "fine.cfg: no mistakes\n" in out
    status, out, err = run(capsys, f"check --json {named} memroy=5")
    assert (status, err[:14]) == (1, "Error: command")
    assert all(result["ok"] for result in json.loads(out))


def test_files_that_a_configuration_names_are_looked_up_if_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(capsys, "check --files fine.cfg") == (
        0,
        "fine.cfg: no mistakes\n",
        'Warning: fine.cfg: Cannot find kernel "/k"\n',
    )
    (result,) = json.loads(run(capsys, "check --files --json fine.cfg")[1])
    assert result["ok"]
    assert result["warnings"] == []
    (missing,) = result["files"]
    assert (missing["what"], missing["where"]) == ('Cannot find kernel "/k"', "fine.cfg")
