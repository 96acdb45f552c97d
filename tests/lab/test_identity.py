"""Certificates of the lab: whole or made again, whenever their making was cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.client.certificates import Identity, kept_ca
from domus.lab import identity


@pytest.fixture(autouse=True)
def _own_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOMUS_LAB", str(tmp_path / "lab"))


def test_an_authority_is_made_once(tmp_path: Path) -> None:
    assert kept_ca(tmp_path / "a", "x") == kept_ca(tmp_path / "a", "x")


@pytest.mark.parametrize("cut", ["client.crt", "ca.crt"])
def test_a_making_that_was_cut_before_its_last_file_is_done_again(cut: str) -> None:
    folder = identity.user_tls()
    authority = Identity.read(folder, "ca")
    for name in (cut, "client.crt"):
        (folder / name).unlink(missing_ok=True)
    assert identity.user_tls() == folder
    assert Identity.read(folder, "client") is not None
    if cut == "client.crt":
        assert Identity.read(folder, "ca") == authority


def test_a_host_whose_certificate_was_cut_gets_one(tmp_path: Path) -> None:
    tls = identity.certify("web", 1, tmp_path)
    for name in ("ca.crt", "host.crt"):
        (tls / name).unlink()
    identity.certify("web", 1, tmp_path)
    assert sorted(path.name for path in tls.iterdir()) == ["ca.crt", "host.crt", "host.key"]
