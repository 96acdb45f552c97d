"""Things that are built once: complete or absent, whatever happens to the builder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from domus.lab.built import build_once, need_space, remove
from domus.model.errors import NoCapacity

BUILDER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from domus.lab.built import build_once

    def build(part):
        for number in range(20):
            (part / str(number)).write_text("x" * 1000)
            time.sleep(0.02)
        with Path(sys.argv[2]).open("a") as log:
            log.write("built\\n")

    print(build_once(Path(sys.argv[1]), build, space_mib=1))
""")


def builder(result: Path, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, result, log], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("after_s", [0.15, 0.25, 0.35, 0.5])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_build_leaves_all_or_nothing_and_the_next_one_completes(
    tmp_path: Path, after_s: float, how: signal.Signals
) -> None:
    result, log = tmp_path / "result", tmp_path / "log"
    process = builder(result, log)
    time.sleep(after_s)
    process.send_signal(how)
    process.communicate()
    assert not result.exists() or len(list(result.iterdir())) == 20
    next_one = builder(result, log)
    next_one.communicate()
    assert next_one.returncode == 0
    assert len(list(result.iterdir())) == 20
    assert [path.name for path in tmp_path.glob(".*.part")] == []


def test_two_builds_at_once_build_once(tmp_path: Path) -> None:
    result, log = tmp_path / "result", tmp_path / "log"
    both = [builder(result, log), builder(result, log)]
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    assert log.read_text() == "built\n"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        (part / "half").write_text("x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        build_once(tmp_path / "result", fail, space_mib=1)
    assert [path.name for path in tmp_path.iterdir()] == [".result.lock"]


def test_too_little_disk_is_said_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(NoCapacity, match="MiB needed"):
        need_space(tmp_path, 10**9)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", small], check=True)
    try:

        def fill(part: Path) -> None:
            (part / "big").write_bytes(b"x" * 2**22)

        with pytest.raises(OSError, match="No space left"):
            build_once(small / "result", fill, space_mib=1)
        assert [path.name for path in small.iterdir()] == [".result.lock"]
    finally:
        subprocess.run(["umount", small], check=True)


def test_removing_takes_the_whole_folder(tmp_path: Path) -> None:
    build_once(tmp_path / "result", lambda part: (part / "x").touch(), space_mib=1)
    remove(tmp_path / "result")
    assert not (tmp_path / "result").exists()
    remove(tmp_path / "result")
