"""`xm host`: adding, listing and forgetting hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.cli.host import CREDENTIALS, address_of
from domus.cli.main import main
from domus.client.hosts import Hosts
from domus.model.errors import BadInput


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    for name in CREDENTIALS:
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("rack1", "rack1", 8443),
        ("rack1:9443", "rack1", 9443),
        ("10.0.0.1:9443", "10.0.0.1", 9443),
        ("fd00::1", "fd00::1", 8443),
        ("[fd00::1]", "fd00::1", 8443),
        ("[fd00::1]:9443", "fd00::1", 9443),
    ],
)
def test_addresses(text: str, address: str, port: int) -> None:
    assert address_of(text) == (address, port)


@pytest.mark.parametrize("text", ["", ":1", "rack1:x", "rack1:0", "rack1:65536", "rack1:²"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadInput):
        address_of(text)


def test_a_host_is_added_listed_and_forgotten(capsys: pytest.CaptureFixture[str], tls: Path) -> None:
    assert main(["host", "add", "rack1", "10.0.0.11:9443", f"--tls={tls}"]) == 0
    kept = Path(Hosts().get("rack1").tls)
    assert sorted(path.name for path in kept.iterdir()) == sorted(CREDENTIALS)
    assert (kept / "client.key").stat().st_mode & 0o777 == 0o600
    assert main(["host", "list"]) == 0
    assert capsys.readouterr().out == (
        "Name                     Address                                   Port\n"
        "rack1                    10.0.0.11                                 9443\n"
    )
    assert main(["host", "rm", "rack1"]) == 0
    assert Hosts().names() == []
    assert not kept.exists()


def test_a_taken_name_needs_force(capsys: pytest.CaptureFixture[str], tls: Path) -> None:
    add = ["host", "add", "rack1", "10.0.0.11", f"--tls={tls}"]
    assert main(add) == 0
    assert main(add) == 1
    assert "is known already" in capsys.readouterr().err
    assert main([*add, "--force"]) == 0


def test_missing_credentials_are_all_named(capsys: pytest.CaptureFixture[str], tls: Path) -> None:
    (tls / "ca.crt").unlink()
    (tls / "client.key").unlink()
    assert main(["host", "add", "rack1", "10.0.0.11", f"--tls={tls}"]) == 1
    assert capsys.readouterr().err == (
        f"Error: no ca.crt and no client.key in {tls} (the host's administrator issues them)\n"
    )
