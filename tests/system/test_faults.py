"""Bad input and faults: one line that says what to do, the documented exit code, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from domus.client import certificates
from domus.lab import paths
from domus.lab.host import LabHost
from tests.system.conftest import XM_PROGRAM, Xm

pytestmark = pytest.mark.lab

#: what is wrong in a file, the exit code, and words that its one line of error has
FILES = {
    "syntax": ('name = "x"\nmemory = = 3\n', 1, ["bad.cfg:2"]),
    "unknown key": ('name = "x"\nkernel = "kernel"\nmemmory = 64\n', 1, ["bad.cfg:3", "memmory", "memory"]),
    "missing kernel": ('name = "x"\nkernel = "nope/vmlinuz"\n', 1, ["nope/vmlinuz"]),
    "too much memory": ('name = "x"\nkernel = "kernel"\nmemory = 100000\n', 1, ["MiB", "free"]),
    "no such bridge": (
        'name = "x"\nkernel = "kernel"\nvif = ["bridge=nobr7"]\n',
        1,
        ["nobr7", "does not exist", "xenbr0"],
    ),
    "missing image": (
        'name = "x"\nkernel = "kernel"\ndisk = ["file:/root/nope.img,xvda,w"]\n',
        1,
        ["/root/nope.img"],
    ),
    "code that would run": ('import os\nname = "x"\nos.system("touch /tmp/owned")\n', 1, ["bad.cfg:3"]),
}


@pytest.mark.parametrize("what", FILES)
def test_a_wrong_file_is_one_clear_line(xm: Xm, workplace: Path, what: str, leaves_nothing: None) -> None:
    text, status, words = FILES[what]
    (workplace / "bad.cfg").write_text(text)
    done = xm("create", "bad.cfg", check=False)
    assert done.returncode == status
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_a_name_in_use_is_refused(xm: Xm, web: str) -> None:
    done = xm("create", "web.cfg", check=False)
    assert done.returncode == 1
    assert "Domain 'web' already exists with ID" in done.stderr


def test_a_disk_that_another_domain_writes_is_refused(xm: Xm, web: str) -> None:
    done = xm("create", "web.cfg", "name=other", check=False)
    assert done.returncode == 1
    assert "web" in done.stderr
    assert "xvda" in done.stderr or "disk" in done.stderr
    assert xm("domid", "other", check=False).returncode == 3


@pytest.mark.parametrize(
    "words",
    [
        ("destroy", "nope"),
        ("destroy", "4711"),
        ("console", "nope"),
        ("list", "nope"),
        ("domid", "nope"),
        ("pause", "nope"),
        ("shutdown", "nope"),
    ],
)
def test_a_domain_that_does_not_exist_is_exit_code_3(xm: Xm, words: tuple[str, ...]) -> None:
    done = xm(*words, check=False)
    assert (done.returncode, done.stderr) == (3, f"Error: Domain '{words[1]}' does not exist.\n")


@pytest.mark.parametrize("words", [("destroy", "0"), ("pause", "Domain-0"), ("shutdown", "0")])
def test_domain_0_is_left_alone(xm: Xm, words: tuple[str, ...]) -> None:
    done = xm(*words, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")


def test_a_host_that_is_not_known_is_named(xm: Xm) -> None:
    done = xm("list", check=False, env={"XM_HOST": "nowhere"})
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert done.stderr.count("\n") == 1


def known_host(folder: Path, name: str, port: int, tls: Path) -> dict[str, str]:
    """An environment in which `name` is a known host."""
    (folder / "domus").mkdir(parents=True, exist_ok=True)
    (folder / "domus/hosts.toml").write_text(
        f'[hosts.{name}]\naddress = "127.0.0.1"\nport = {port}\ntls = "{tls}"\n'
    )
    return {"XDG_CONFIG_HOME": str(folder), "XM_HOST": name}


def test_a_certificate_of_somebody_else_is_refused(xm: Xm, lab_host: LabHost, tmp_path: Path) -> None:
    stranger = certificates.make_ca("stranger")
    tls = tmp_path / "tls"
    tls.mkdir()
    certificates.issue("stranger", stranger).write(tls, "client")
    ours = paths.state_dir() / "tls/ca.crt"
    (tls / "ca.crt").write_bytes(ours.read_bytes())
    environment = known_host(tmp_path / "config", "far", lab_host.record.api_port, tls)
    done = xm("list", check=False, env=environment)
    assert done.returncode == 1
    assert "certificate" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def test_a_host_that_shows_a_strange_certificate_is_not_trusted(
    xm: Xm, lab_host: LabHost, tmp_path: Path
) -> None:
    tls = tmp_path / "tls"
    tls.mkdir()
    ours = paths.state_dir() / "tls"
    for name in ("client.crt", "client.key"):
        (tls / name).write_bytes((ours / name).read_bytes())
    certificates.make_ca("another").write_certificate(tls / "ca.crt")
    environment = known_host(tmp_path / "config", "far", lab_host.record.api_port, tls)
    done = xm("list", check=False, env=environment)
    assert done.returncode == 1
    assert "certificate" in done.stderr, done.stderr


def test_a_host_where_nobody_listens_is_unreachable(xm: Xm, tmp_path: Path) -> None:
    tls = paths.state_dir() / "tls"
    done = xm("list", check=False, env=known_host(tmp_path / "config", "far", 1, tls))
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("after_s", [0.4, 0.9, 1.5])
def test_ctrl_c_in_the_middle_of_create_undoes_it(
    xm: Xm, workplace: Path, environment: dict[str, str], after_s: float, leaves_nothing: None
) -> None:
    creating = subprocess.Popen(
        [XM_PROGRAM, "create", "web.cfg"],
        cwd=workplace,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(after_s)
    os.killpg(creating.pid, signal.SIGINT)
    out, errors = creating.communicate(timeout=60)
    assert creating.returncode in (0, 130, -signal.SIGINT), errors
    assert "Traceback" not in errors
    if creating.returncode == 0:  # it was quicker than we were
        assert "Started domain web" in out
        xm("destroy", "web")
    assert xm("domid", "web", check=False).returncode == 3


def test_output_into_a_closed_pipe_is_no_error(xm: Xm, environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [XM_PROGRAM, "list"], env=environment, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr
    assert done.stderr == b""
