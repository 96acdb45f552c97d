"""Records of hosts, and processes that are recognized again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from domus.lab import accel, record
from domus.lab.record import Process, Record
from domus.model.errors import BadInput, HostProblem, NotFound, Unreachable


@pytest.fixture(autouse=True)
def _own_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOMUS_LAB", str(tmp_path / "lab"))
    monkeypatch.setenv("DOMUS_CACHE", str(tmp_path / "cache"))


def write(known: Record) -> None:
    folder = record.folder(known.name)
    folder.mkdir(parents=True)
    (folder / "host.json").write_bytes(msgspec.json.encode(known))


def test_a_process_number_that_was_used_again_is_another_process() -> None:
    ours = Process.of(os.getpid())
    assert ours.alive
    assert not Process(ours.pid, ours.started + 1).alive


def test_a_process_that_ended_is_not_alive_even_as_a_zombie() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = Process.of(child.pid)
    assert process.alive
    process.end()
    assert not process.alive


def test_a_host_whose_qemu_died_is_off() -> None:
    write(Record(name="web", number=1, process=Process(os.getpid(), 1)))
    assert not record.running("web")
    with pytest.raises(Unreachable, match="does not run"):
        record.client("web")


def test_a_damaged_record_says_what_to_do() -> None:
    write(Record(name="web", number=1))
    (record.folder("web") / "host.json").write_text('{"name": 7')
    with pytest.raises(HostProblem, match="damaged") as caught:
        record.read("web")
    assert caught.value.hint == "xm lab rm web"
    assert not record.running("web")


def test_a_host_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound, match="no lab host 'nope'"):
        record.read("nope")


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "-x", "x" * 33])
def test_names_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="invalid name"):
        record.check_name(name)


def test_kvm_is_found_out_by_trying_and_the_outcome_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOMUS_ACCEL", raising=False)
    first, why = accel.choose()
    assert (first is accel.Accelerator.KVM) == (why == "")
    assert accel.choose() == (first, why)
    monkeypatch.setenv("DOMUS_ACCEL", "tcg")
    assert accel.choose() == (accel.Accelerator.TCG, "DOMUS_ACCEL=tcg")
