"""Configuration files of cpupools."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.config.cpupool import from_variables, load, load_sxp, write_sxp
from domus.model.cpupool import CpupoolConfig
from domus.model.errors import ConfigError


def loaded(folder: Path, text: str, **variables: str) -> CpupoolConfig:
    path = folder / "pool.cfg"
    path.write_text(text)
    return load(path, variables)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (
            'name = "Example-Cpupool"\nsched = "credit"\ncpus = ["2", "3"]\n',
            CpupoolConfig(name="Example-Cpupool", scheduler="credit", cpus="2,3"),
        ),
        ('name = "a"\ncpus = "0-3,^1"\n', CpupoolConfig(name="a", cpus="0-3,^1")),
        ('name = "a"\ncpus = 2\n', CpupoolConfig(name="a", cpu_count=2)),
        ('name = "a"\ncpus = "#3"\n', CpupoolConfig(name="a", cpu_count=3)),
        ('name="a"\nnodes="0-1"\n', CpupoolConfig(name="a", cpus="node:0-1")),
        ("", CpupoolConfig(name="pool.cfg")),
        (
            'base = "x"\nname = base + "-1"\ncpus = ",".join([str(n) for n in range(2, 4)])\n'
            'other_config = ["k=v"]\n',
            CpupoolConfig(name="x-1", cpus="2,3", other={"k": "v"}),
        ),
    ],
)
def test_a_file_describes_a_cpupool(tmp_path: Path, text: str, config: CpupoolConfig) -> None:
    assert loaded(tmp_path, text) == config


def test_the_command_line_wins(tmp_path: Path) -> None:
    assert loaded(tmp_path, 'name = "a"\ncpus = "1"\n', name="b", cpus="#2") == CpupoolConfig(
        name="b", cpu_count=2
    )
    assert from_variables({"name": "c", "cpus": "1"}) == CpupoolConfig(name="c", cpus="1")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('sched = "sedf"\n', "unknown scheduler 'sedf'"),
        ('name = "a b"\n', "Invalid Pool Name"),
        ('name = "a/b"\n', "Invalid Pool Name"),
        ('name = ""\n', "Missing Pool Name"),
        ('cpus = "x"\n', "'x' is no list of CPUs"),
        ("cpus = 0\n", "at least one CPU"),
        ('cpus = "1"\nnodes = "0"\n', "one of them"),
        ('other_config = "k"\n', "KEY=VALUE"),
        ('name = open("/etc/passwd").read()\n', "open"),
        ("name = (\n", ""),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert what in caught.value.for_user()


def test_the_dry_run_is_xms(tmp_path: Path) -> None:
    text = write_sxp(CpupoolConfig(name="Example-Cpupool", scheduler="credit", cpus="2,3"))
    assert text == (
        "(pool\n"
        "    (name_label Example-Cpupool)\n"
        "    (sched_policy credit)\n"
        "    (ncpu 2)\n"
        "    (proposed_CPUs 2 3)\n"
        "    (other_config)\n"
        ")\n"
    )
    path = tmp_path / "pool.sxp"
    path.write_text(text)
    assert load_sxp(path) == CpupoolConfig(name="Example-Cpupool", scheduler="credit", cpus="2,3")


def test_the_broken_list_of_the_last_xm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pool.sxp"
    path.write_text("(pool (name_label p) (sched_policy credit) (ncpu 2) (proposed_CPUs (2) (3)))")
    assert load_sxp(path).cpus == "2,3"
