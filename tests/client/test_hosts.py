"""Hosts known by name, and certificates."""

from __future__ import annotations

import stat
import sys
import tomllib
from pathlib import Path

import pytest

from domus.client.certificates import issue, make_ca
from domus.client.hosts import Host, Hosts
from domus.model.errors import AlreadyExists, BadInput, NotFound
from domus.programs import run


def test_a_host_that_was_added_is_known_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "domus" / "hosts.toml"
    rack = Host(address="10.0.0.11", tls='/a "quoted" \\ dir/ä')
    Hosts(path).add("rack1", rack)
    Hosts(path).add("rack-2.example", Host(address="fe80::1", port=9443, tls="/t", server_name="rack2"))
    assert Hosts(path).names() == ["rack-2.example", "rack1"]
    assert Hosts(path).get("rack1") == rack
    assert tomllib.loads(path.read_text())["hosts"]["rack-2.example"]["port"] == 9443


def test_a_name_that_is_taken_is_not_overwritten_unasked(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path / "hosts.toml")
    hosts.add("a", Host(address="1", tls="/t"))
    with pytest.raises(AlreadyExists):
        hosts.add("a", Host(address="2", tls="/t"))
    hosts.add("a", Host(address="2", tls="/t"), replace=True)
    assert Hosts(hosts.path).get("a").address == "2"


def test_an_unknown_host_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path / "hosts.toml")
    hosts.add("rack1", Host(address="1", tls="/t"))
    with pytest.raises(NotFound) as caught:
        hosts.client("rack2")
    assert caught.value.for_user() == "unknown host 'rack2' (known: rack1; see xm host add)"


def test_a_removed_host_is_forgotten(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path / "hosts.toml")
    hosts.add("a", Host(address="1", tls="/t"))
    hosts.remove("a")
    assert Hosts(hosts.path).names() == []


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", 'a"', "x" * 64])
def test_names_that_confuse_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        Hosts(tmp_path / "hosts.toml").add(name, Host(address="1", tls="/t"))


@pytest.mark.parametrize(
    "text", ["[hosts.a", "[hosts.a]\nport = 1\n", "[hosts.a]\naddress='x'\ntls='y'\nprot=1\n"]
)
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        Hosts(path)
    assert caught.value.where == str(path)


def test_the_file_is_where_the_user_keeps_such_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Hosts().path == tmp_path / "domus" / "hosts.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Hosts().path == tmp_path / ".config" / "domus" / "hosts.toml"


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    issue("h", make_ca("ca"), hosts=["h"]).write(tmp_path, "host")
    assert stat.S_IMODE((tmp_path / "host.key").stat().st_mode) == 0o600


def verified(directory: Path, stem: str, purpose: str) -> int:
    """openssl's exit status for a certificate, by its strict rules."""
    line = ["openssl", "verify", "-x509_strict", "-purpose", purpose]
    return run([*line, "-CAfile", directory / "ca.crt", directory / f"{stem}.crt"], check=False).status


def test_certificates_pass_openssls_strict_rules_for_their_purpose(tmp_path: Path) -> None:
    ca = make_ca("ca")
    ca.write_certificate(tmp_path / "ca.crt")
    issue("laptop", ca).write(tmp_path, "client")
    issue("host1", ca, hosts=["host1"], addresses=["127.0.0.1", "::1"]).write(tmp_path, "host")
    assert verified(tmp_path, "client", "sslclient") == 0
    assert verified(tmp_path, "client", "sslserver") != 0  # a user cannot pose as a host
    assert verified(tmp_path, "host", "sslserver") == 0
    assert verified(tmp_path, "host", "sslclient") == 0  # hosts call each other


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        make_ca(name)


def test_the_client_imports_nothing_that_a_list_does_not_need() -> None:
    heavy = {"asyncio", "starlette", "uvicorn", "websockets", "cryptography", "ssl", "http.client", "email"}
    code = f"import sys, domus.client; print({heavy} & set(sys.modules))"
    assert run([sys.executable, "-c", code]).stdout == "set()\n"
