"""Each command against a real guest; xl on the same host is the second opinion."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from domus.lab.host import LabHost
from tests.system.conftest import XM_PROGRAM, Xm, wait_until_up

pytestmark = pytest.mark.lab


def xl_list(host: LabHost) -> dict[str, list[str]]:
    """xl's rows by name: id, memory, VCPUs, state, time."""
    rows = [line.split() for line in host.run(["xl", "list"]).stdout.splitlines()[1:]]
    return {row[0]: row[1:] for row in rows}


def test_create_prints_what_xm_printed(xm: Xm, leaves_nothing: None) -> None:
    done = xm("create", "web.cfg")
    assert re.fullmatch(r'Using config file "\./web\.cfg"\.\nStarted domain web \(id=\d+\)\n', done.stdout), (
        done.stdout
    )
    xm("destroy", "web")


def test_list_agrees_with_xl(xm: Xm, web: str, lab_host: LabHost) -> None:
    lines = xm("list").stdout.splitlines()
    assert lines[0] == "Name                                        ID   Mem VCPUs      State   Time(s)"
    theirs = xl_list(lab_host)
    ours = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert [row[:3] for row in ours.values()] == [theirs[name][:3] for name in ours]
    assert set(ours) == set(theirs)
    assert xm("list", "web").stdout.splitlines()[1].startswith("web ")
    assert [domain["name"] for domain in json.loads(xm("list", "--json").stdout)] == sorted(theirs)


def test_domid_and_domname_are_each_others_inverse(xm: Xm, web: str, lab_host: LabHost) -> None:
    domid = xm("domid", web).stdout.strip()
    assert domid == xl_list(lab_host)["web"][0]
    assert xm("domname", domid).stdout == "web\n"


def test_a_paused_guest_is_shown_as_paused_and_goes_on(xm: Xm, web: str, lab_host: LabHost) -> None:
    xm("pause", web)
    xm("pause", web)
    assert "--p---" in xm("list", web).stdout
    assert xl_list(lab_host)["web"][3] == "--p---"
    xm("unpause", web)
    assert "--p---" not in xm("list", web).stdout
    xm("unpause", web)


def test_create_p_leaves_it_paused(xm: Xm, lab_host: LabHost) -> None:
    xm("create", "-p", "web.cfg")
    assert xl_list(lab_host)["web"][3] == "--p---"
    xm("destroy", "web")


def test_create_q_says_nothing(xm: Xm) -> None:
    done = xm("create", "-q", "web.cfg")
    assert (done.stdout, done.stderr) == ("", "")
    xm("destroy", "web")


def test_create_n_creates_nothing(xm: Xm, leaves_nothing: None) -> None:
    assert "web" in xm("create", "-n", "web.cfg").stdout
    assert xm("domid", "web", check=False).returncode == 3


def test_the_console_shows_the_guest_from_its_first_line_and_ends_with_it(
    xm: Xm, workplace: Path, environment: dict[str, str], leaves_nothing: None
) -> None:
    console = subprocess.Popen(
        [XM_PROGRAM, "create", "web.cfg", "-c"],
        cwd=workplace,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    seen = read_until(console.stdout.fileno() if console.stdout else 0, b"Guest web is up.")
    assert b"Hello from a guest on xen, PV guest" in seen
    assert b'begins with "a disk of the user' in seen
    assert re.search(rb"eth0 10\.77\.0\.100, ping 10\.77\.0\.1: [\d.]+ ms", seen), seen
    done = xm("shutdown", "-w", "web")
    assert done.stdout == "Domain web terminated\nAll domains terminated\n"
    assert console.wait(timeout=60) == 0
    assert xm("domid", "web", check=False).returncode == 3


def test_a_terminal_is_raw_in_the_console_and_restored_after_it(
    xm: Xm, web: str, environment: dict[str, str], workplace: Path
) -> None:
    import termios

    outer, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    console = subprocess.Popen(
        [XM_PROGRAM, "console", "web"],
        cwd=workplace,
        env=environment,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    read_until(outer, b"is up.")
    assert not termios.tcgetattr(inner)[3] & termios.ICANON
    os.write(outer, b"\necho $((6*7))-\n")
    read_until(outer, b"42-")
    os.write(outer, b"\x1d")  # Ctrl-]
    assert console.wait(timeout=20) == 0
    assert termios.tcgetattr(inner) == before
    os.close(outer)
    os.close(inner)


def test_host_and_guest_reach_each_other(xm: Xm, web: str, lab_host: LabHost) -> None:
    wait_until_up(xm, web)
    lab_host.run(["ping", "-c", "1", "-W", "5", "10.77.0.100"])
    answered = lab_host.run(["ping", "-c", "5", "-i", "0.2", "10.77.0.100"]).stdout
    assert "5 received" in answered


def test_reboot_gives_the_guest_a_new_id(xm: Xm, web: str, lab_host: LabHost) -> None:
    wait_until_up(xm, web)
    domid = xm("domid", web).stdout
    assert xm("reboot", "-w", web).stdout == "Domain web rebooted\nAll domains rebooted\n"
    assert xm("domid", web).stdout != domid
    assert set(xl_list(lab_host)) == {"Domain-0", "web"}


def test_shutdown_all_waits_for_every_guest(xm: Xm, lab_host: LabHost, leaves_nothing: None) -> None:
    for name in ("a", "b"):
        xm(
            "create",
            "-q",
            "/dev/null",
            f"name={name}",
            "memory=96",
            "kernel=kernel",
            "ramdisk=initrd",
            f"extra=console=hvc0 quiet name={name}",
        )
    for name in ("a", "b"):
        wait_until_up(xm, name)
    done = xm("shutdown", "-a", "-w")
    assert sorted(done.stdout.splitlines()) == [
        "All domains terminated", "Domain a terminated", "Domain b terminated",
    ]  # fmt: skip
    assert set(xl_list(lab_host)) == {"Domain-0"}


def test_info_says_what_xl_info_says(xm: Xm, lab_host: LabHost) -> None:
    ours, theirs = (
        dict(re.findall(r"^(\S+)\s*: (.*)$", text, re.M))
        for text in (xm("info").stdout, lab_host.run(["xl", "info"]).stdout)
    )
    moving = {"free_memory", "xend_config_format", "cpu_mhz"}
    shared = set(ours) & set(theirs) - moving
    assert len(shared) > 28
    # xm writes "(none)" for an empty value, and whole MHz
    different = {
        key: (ours[key], theirs[key])
        for key in shared
        if ours[key].replace("(none)", "").strip() != theirs[key].strip()
    }
    assert different == {}
    assert ours["cpu_mhz"] == theirs["cpu_mhz"].partition(".")[0]


def test_dmesg_is_xens_own(xm: Xm, lab_host: LabHost) -> None:
    ours = xm("dmesg").stdout
    assert "(XEN) " in ours
    assert (
        ours.strip() in lab_host.run(["xl", "dmesg"]).stdout.strip()
        or ours[:2000] in lab_host.run(["xl", "dmesg"]).stdout
    )


def test_log_tells_who_did_what(xm: Xm, web: str) -> None:
    assert "create of web" in xm("log").stdout


def test_a_domain_that_xl_made_is_a_domain_like_any_other(
    xm: Xm, lab_host: LabHost, small_guest: tuple[Path, Path]
) -> None:
    lab_host.put(small_guest[0].read_bytes(), "/root/kernel")
    lab_host.put(small_guest[1].read_bytes(), "/root/initrd")
    lab_host.put(
        b'name="byxl"\nmemory=96\nkernel="/root/kernel"\nramdisk="/root/initrd"\nextra="console=hvc0"\n',
        "/root/byxl.cfg",
    )
    lab_host.run(["xl", "create", "/root/byxl.cfg"])
    assert "byxl" in xm("list").stdout
    xm("pause", "byxl")
    xm("unpause", "byxl")
    xm("destroy", "byxl")
    assert "byxl" not in xl_list(lab_host)


def read_until(source: int, text: bytes, within: float = 90.0) -> bytes:
    """What can be read until `text` is in it."""
    seen, until = b"", time.monotonic() + within
    while text not in seen:
        left = until - time.monotonic()
        assert left > 0 and select.select([source], [], [], left)[0], f"{text!r} did not come: {seen!r}"
        data = os.read(source, 65536)
        assert data, f"{text!r} did not come: {seen!r}"
        seen += data
    return seen
