"""xm as its users have it: the installed program, on a real Xen host."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domus.lab.host import LabHost

XM_PROGRAM = str(Path(sys.executable).parent / "xm")

Xm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, small_guest: tuple[Path, Path]) -> Path:
    """A folder with a guest's configuration, its kernel and a disk, as a user has them."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "kernel").symlink_to(small_guest[0])
    (folder / "initrd").symlink_to(small_guest[1])
    (folder / "disk.img").write_bytes(b"a disk of the user's\n" + bytes(2**20))
    (folder / "web.cfg").write_text(
        'name = "web"\nmemory = 96\nkernel = "kernel"\nramdisk = "initrd"\n'
        'extra = "console=hvc0 quiet name=" + name\n'
        'disk = ["file:disk.img,xvda,w"]\nvif = ["bridge=xenbr0"]\n'
        'ip = "10.77.0.100"\ngateway = "10.77.0.1"\nnetmask = "255.255.255.0"\n'
    )
    return folder


@pytest.fixture(scope="module")
def environment(lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the commands: the module's own host, nobody's known hosts."""
    return {
        **os.environ,
        "XM_HOST": f"lab:{lab_host.name}",
        "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("config")),
    }


@pytest.fixture(scope="module")
def xm(environment: dict[str, str], workplace: Path) -> Xm:
    """Runs one xm command in the workplace, and returns what it printed and its exit code."""

    def run(
        *words: str, check: bool = True, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [XM_PROGRAM, *words],
            cwd=workplace,
            env={**environment, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check:
            assert done.returncode == 0, f"xm {' '.join(words)}: {done.stderr}{done.stdout}"
        return done

    return run


def wait_until_up(xm: Xm, name: str) -> None:
    """Wait until the small guest has said that it is up (a shutdown before that is lost on Linux)."""
    until = time.monotonic() + 240
    while "is up." not in xm("console", name, check=False).stdout:
        assert time.monotonic() < until
        time.sleep(0.5)


@pytest.fixture
def web(xm: Xm) -> Iterator[str]:
    """The guest, running; taken away afterwards if it is still there."""
    xm("create", "-q", "web.cfg")
    yield "web"
    done = xm("destroy", "web", check=False)
    assert done.returncode in (0, 3), done.stderr
