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
    "Error: d/wrong:3:11: unknown parameter 'memmory' (did you mean memory?)\n"
    "    memmory = 1\n"
    "              ^\n"
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
    }
    assert (wrong["file"], wrong["ok"], len(wrong["errors"])) == ("d/wrong", False, 2)
    assert wrong["errors"][0]["hint"] == "did you mean memory?"
    assert fine == {"file": "fine.cfg", "ok": True, "errors": [], "warnings": []}
