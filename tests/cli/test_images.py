"""`xm image`: what it prints, and what it says to what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domus.cli.main import main


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XM_IMAGES", str(tmp_path))
    monkeypatch.setenv("DOMUS_LAB", str(tmp_path / "lab"))
    return tmp_path


def test_an_image_is_created_cloned_shown_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "create", "web", "16M"]) == 0
    assert main(["image", "clone", "web", "web2"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["image", "list", "--json"]) == 0
    assert [image["name"] for image in json.loads(capsys.readouterr().out)] == ["web", "web2"]
    assert main(["image", "info", "web"]) == 0
    assert "Size            16 MiB" in capsys.readouterr().out
    assert main(["image", "rm", "web2", "web"]) == 1  # no xend answers here
    assert "which managed domains have web2 cannot be told" in capsys.readouterr().err
    assert main(["image", "rm", "--force", "web2", "web"]) == 0
    assert main(["image", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("image nope", "'xm image nope' is not a subcommand"),
        ("image create web", "needs NAME SIZE"),
        ("image create web 16", "a number with a unit"),
        ("image create ../web 16M", "invalid image name"),
        ("image create web 16M --format vmdk", "has no value 'vmdk'"),
        ("image info nope", "no image 'nope'"),
        ("image clone nope web", "no image 'nope'"),
        ("image revert web", "which state of web?"),
        ("image import /nonexistent.qcow2 web", "no such file"),
        ("image build web --suite ../x", "invalid suite"),
        ("image build web --template /nonexistent.toml", "No such file"),
        ("image build web --fs ntfs", "has no value 'ntfs'"),
        ("image list --store vg:data", "LVM has no volume group data"),
        ("--host elsewhere image list", "works on this machine's store"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    assert main(line.split()) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_each_verb_has_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image"]) == 0
    verbs = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("  image ")]
    assert "build" in verbs
    for verb in verbs:
        assert main(["image", verb, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: xm image {verb}")
