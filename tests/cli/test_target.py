"""Which host a command is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.cli import target
from domus.client.hosts import Host, Hosts
from domus.model.errors import NotFound


@pytest.fixture
def no_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XM_HOST")
    monkeypatch.setenv("DOMUS_LAB", str(tmp_path / "lab"))


def test_local_is_this_machine_whatever_it_runs() -> None:
    assert isinstance(target.choose("local"), target.Local)


def test_the_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XM_HOST", "nowhere")
    assert isinstance(target.choose("local"), target.Local)


@pytest.mark.usefixtures("no_default")
def test_a_socket_of_xend_means_that_this_machine_runs_xen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "xend.sock"
    socket.touch()
    monkeypatch.setenv("XEND_SOCKET", str(socket))
    assert isinstance(target.choose(None), target.Local)


def test_a_known_host_is_found_by_its_name() -> None:
    rack1 = Host(address="10.0.0.11", tls="/nowhere")
    Hosts().add("rack1", rack1)
    chosen = target.choose("rack1")
    assert isinstance(chosen, target.Remote)
    assert chosen.known == rack1
    assert not chosen.shares_files


@pytest.mark.usefixtures("no_default")
def test_an_unknown_host_is_answered_with_the_known_ones() -> None:
    Hosts().add("rack1", Host(address="10.0.0.11", tls="/nowhere"))
    with pytest.raises(NotFound) as caught:
        target.choose("rack2")
    assert caught.value.for_user() == "unknown host 'rack2' (known: local, rack1; see 'xm help host')"


@pytest.mark.usefixtures("no_default")
def test_a_lab_host_that_does_not_run_is_answered_with_how_to_start_it() -> None:
    with pytest.raises(NotFound) as caught:
        target.choose("lab:two")
    assert caught.value.for_user() == "no lab host 'two' runs (xm lab up two)"


@pytest.mark.usefixtures("no_default")
def test_completion_starts_no_lab_host() -> None:
    assert target.without_starting(None) is None
