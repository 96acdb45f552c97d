"""Managed domains as their users have them: kept, started, renamed, deleted, on real Xen."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from domus.lab.host import LabHost
from domus.model.errors import DomusError
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab


@pytest.fixture
def kept(xm: Xm, leaves_nothing: None) -> Iterator[str]:
    """The guest, managed and halted; forgotten afterwards, whatever became of it."""
    xm("new", "-q", "web.cfg")
    yield "web"
    for domain in json.loads(xm("list", "--json").stdout):
        if domain["managed"]:
            xm("destroy", domain["uuid"])
            xm("delete", domain["uuid"])


def row(xm: Xm, name: str = "web") -> str:
    return xm("list", name).stdout.splitlines()[1]


def eventually(claim: Callable[[], bool], within: float = 300) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.3)


def wait_until_up(xm: Xm, name: str) -> None:
    """Wait until the small guest has said that it is up (a shutdown before that is lost on Linux)."""
    eventually(lambda: "is up." in xm("console", name, check=False).stdout)


def kill_xend(host: LabHost) -> None:
    """SIGKILL, and wait until the next one answers."""
    pid = host.run(["cat", "/run/domus/xend.pid"]).stdout.strip()
    host.run(["kill", "-9", pid])

    def claim() -> bool:
        if host.run(["cat", "/run/domus/xend.pid"], check=False).stdout.strip() in (pid, ""):
            return False
        try:
            with host.client() as client:
                client.api()
        except DomusError:
            return False
        return True

    eventually(claim)


def test_new_defines_and_starts_nothing(xm: Xm, kept: str, lab_host: LabHost) -> None:
    assert row(xm) == f"{'web':<40} {'':>5} {96:>5} {1:>5} {'':>10} {0.0:>8.1f}"
    assert row(xm) in xm("list", "--state=halted").stdout
    assert "web" not in xm("list", "--state=running").stdout
    assert "web" not in lab_host.run(["xl", "list"]).stdout
    assert (xm("domid", kept).stdout, xm("domname", kept).stdout) == ("None\n", "web\n")
    assert xm("domstate", kept).stdout == "shutoff\n"
    uuid = json.loads(xm("list", "--json", kept).stdout)[0]["uuid"]
    assert lab_host.run(["xenstore-read", f"/vm/{uuid}/name"]).stdout == "web\n"
    assert xm("domname", uuid).stdout == "web\n"
    tree = xm("list", "--long", kept).stdout
    assert "(name web)" in tree
    assert "(domid" not in tree


def test_the_name_is_taken_and_errors_are_xms(xm: Xm, kept: str) -> None:
    for words in (("new", "web.cfg"), ("create", "web.cfg")):
        done = xm(*words, check=False)
        assert (done.returncode, done.stderr.startswith("Error: VM name 'web' already exists")) == (1, True)
    for verb in ("pause", "console", "shutdown"):
        done = xm(verb, kept, check=False)
        assert (done.returncode, "Domain 'web' is not started" in done.stderr) == (1, True), done.stderr
    done = xm("start", check=False)
    assert (done.returncode, done.stderr) == (1, "Error: Expects 1 argument\n")
    for verb in ("start", "delete"):
        done = xm(verb, "nobody", check=False)
        assert (done.returncode, done.stderr) == (3, "Error: Domain 'nobody' does not exist.\n")
    assert xm("destroy", kept).stdout == ""  # nothing to take away, as xm had it
    assert "web" in xm("list").stdout


def test_an_unknown_domain_is_exit_3_for_every_command(xm: Xm) -> None:
    lines = (
        "destroy",
        "delete",
        "start",
        "suspend",
        "resume",
        "pause",
        "reset",
        "adopt",
        "config show",
        "domid",
    )
    for line in lines:
        done = xm(*line.split(), "nobody", check=False)
        assert (done.returncode, done.stderr) == (3, "Error: Domain 'nobody' does not exist.\n"), line


def test_it_starts_ends_and_starts_again(xm: Xm, kept: str, lab_host: LabHost) -> None:
    done = xm("start", "-p", kept)
    assert (done.stdout, done.stderr) == ("", "")
    assert row(xm).split()[4] == "--p---"
    done = xm("start", kept, check=False)
    assert (done.returncode, "Domain is already running" in done.stderr) == (1, True)
    done = xm("delete", kept, check=False)
    assert (done.returncode, "Domain is not halted." in done.stderr) == (1, True)
    done = xm("new", "web.cfg", check=False)
    domid = xm("domid", kept).stdout.strip()
    assert f"VM name 'web' already exists as domain {domid}" in done.stderr
    xm("unpause", kept)
    wait_until_up(xm, kept)
    xm("shutdown", kept)
    eventually(lambda: xm("domid", kept).stdout == "None\n")
    xm("start", kept)
    assert int(xm("domid", kept).stdout) > int(domid)
    xm("destroy", kept)
    assert xm("domid", kept).stdout == "None\n"


def test_it_is_suspended_and_resumed_where_it_was(xm: Xm, kept: str) -> None:
    refused = xm("suspend", kept, check=False)
    assert refused.returncode == 1
    xm("start", kept)
    wait_until_up(xm, kept)
    xm("suspend", kept)
    suspended = json.loads(xm("list", "--json", kept).stdout)[0]
    assert (suspended["state"], suspended.get("domid")) == ("suspended", None)
    assert "web" in xm("list", "--state=suspended").stdout
    too_late = xm("start", kept, check=False)
    assert (too_late.returncode, "xm resume web" in too_late.stderr) == (1, True)
    xm("resume", kept)
    # The same boot goes on: its clock has not begun anew, and its shell still answers.
    assert "alive" in xm("console", "-q", kept, stdin="echo al''ive\n").stdout
    again = xm("resume", kept, check=False)
    assert "Cannot resume domain that is not suspended." in again.stderr


def test_its_kernel_stays_as_long_as_it_is_named(xm: Xm, kept: str, lab_host: LabHost) -> None:
    with lab_host.client() as client:
        config = client.managed.get(kept).config
        assert config.kernel is not None
        assert config.nics[0].mac is not None
    xm("new", "-q", "/dev/null", "name=other", "kernel=kernel", "ramdisk=initrd")
    xm("delete", "other")
    kill_xend(lab_host)
    digest = config.kernel.removeprefix("sha256:")
    assert digest in lab_host.run(["ls", "/var/lib/domus/blobs"]).stdout
    xm("start", kept)
    assert xm("list", "--json", kept).stdout.count('"managed": true') == 1
    with lab_host.client() as client:
        assert client.config(kept) == config


def test_rename_is_everywhere(xm: Xm, kept: str, lab_host: LabHost) -> None:
    assert xm("rename", kept, "www").stdout == ""
    assert xm("domid", "web", check=False).returncode == 3
    xm("start", "-p", "www")
    xm("rename", "www", "shop")
    assert "shop" in lab_host.run(["xl", "list"]).stdout
    done = xm("rename", "shop", "Domain-0", check=False)
    assert (done.returncode, "VM name 'Domain-0' already exists as domain 0" in done.stderr) == (1, True)
    done = xm("rename", "Domain-0", "web", check=False)
    assert done.returncode == 1
    kill_xend(lab_host)
    xm("destroy", "shop")
    assert xm("domid", "shop").stdout == "None\n"


def test_a_reboot_uses_the_kept_configuration(xm: Xm, kept: str, lab_host: LabHost) -> None:
    xm("start", kept)
    with lab_host.client() as client:
        known = client.managed.get(kept)
        config = msgspec.structs.replace(known.config, memory_mib=104)
        client.managed.configure(kept, config, base=known.revision.number)
        assert client.domain(kept).differs
        assert [each.field for each in client.managed.differences(kept)] == ["memory_mib"]
    wait_until_up(xm, kept)
    assert row(xm).split()[2] == "96"
    xm("reboot", "-w", kept)
    assert row(xm).split()[2] == "104"
    with lab_host.client() as client:
        assert not client.domain(kept).differs


#: what makes xend believe that the host was booted since
FORGET_BOOT = b"""
import sqlite3
with sqlite3.connect("/var/lib/domus/xend.sqlite") as connection:
    connection.execute("DELETE FROM managed_fact")
"""

EDITOR = """#!/bin/sh
sed -i "$EDIT" "$1"
"""


@pytest.fixture
def editor(workplace: Path) -> Callable[[str], dict[str, str]]:
    """The environment in which `xm edit` runs sed instead of an editor."""
    path = workplace / "editor"
    path.write_text(EDITOR)
    path.chmod(0o755)
    return lambda script: {"EDITOR": str(path), "VISUAL": "", "EDIT": script}


def test_edit_checks_what_it_keeps(
    xm: Xm, kept: str, editor: Callable[[str], dict[str, str]], workplace: Path
) -> None:
    before = xm("config", "show", kept).stdout
    assert "memory = 96" in before
    done = xm("edit", kept, env=editor("s/memory = 96/memory = 100/"))
    assert done.stdout == "web is at revision 2\n"
    assert xm("config", "show", kept).stdout == before.replace("memory = 96", "memory = 100")
    assert xm("edit", kept, env=editor("")).stdout == "Nothing has changed: web is at revision 2\n"

    done = xm("edit", kept, env=editor("s/memory = 100/memory = lots/"), check=False)
    assert done.returncode == 1
    assert "lots" in done.stderr
    (path,) = re.findall(r"Your text is kept in (\S+);", done.stderr)
    assert "memory = lots" in Path(path).read_text()
    assert "memory = 100" in xm("config", "show", kept).stdout
    done = xm("edit", f"--from={path}", kept, env=editor("s/lots/112/"))
    assert done.stdout == "web is at revision 3\n"
    Path(path).unlink()

    done = xm("edit", kept, env=editor('s/name = "web"/name = "www"/'), check=False)
    assert "xm rename web www" in done.stderr
    for path in re.findall(r"Your text is kept in (\S+);", done.stderr):
        Path(path).unlink()
    for language in ("xl", "sxp", "json", "xml"):
        done = xm("edit", f"--format={language}", kept, env=editor(""))
        assert done.stdout == "Nothing has changed: web is at revision 3\n"


def test_every_configuration_is_in_the_history(xm: Xm, kept: str) -> None:
    original = json.loads(xm("config", "show", "--json", kept).stdout)["config"]
    assert xm("config", "set", kept, "memory=120", "vcpus=2").stdout == "web is at revision 2\n"
    done = xm("config", "set", kept, "memory=no", check=False)
    assert done.returncode == 1
    assert row(xm).split()[1:3] == ["120", "2"]
    xm("config", "revert", kept, "1")
    lines = xm("config", "history", kept).stdout.splitlines()
    assert lines[0].split() == ["Rev", "When", "Who", "What"]
    assert [line.split(maxsplit=4)[4] for line in lines[1:]] == ["new", "set memory vcpus", "revert to 1"]
    history = json.loads(xm("config", "history", "--json", kept).stdout)
    assert [each["who"] for each in history] == [history[0]["who"]] * 3
    assert history[0]["config"] == history[2]["config"] == original
    assert "memory = 120" in xm("config", "show", "--revision=2", kept).stdout
    assert xm("config", "revert", kept, "9", check=False).returncode == 1


def test_what_differs_from_the_kept_configuration_is_told(xm: Xm, kept: str, lab_host: LabHost) -> None:
    xm("start", "-p", kept)
    assert xm("config", "diff", kept).stdout == ""
    lab_host.run(["xl", "mem-set", kept, "80"])
    assert json.loads(xm("list", "--json", kept).stdout)[0]["differs"]
    assert xm("config", "diff", kept).stdout == "memory_mib: runs with 80, kept is 96\n"
    xm("config", "set", kept, "memory=80")
    assert not json.loads(xm("list", "--json", kept).stdout)[0]["differs"]


def test_what_is_done_to_a_running_domain_lasts_where_it_is_said_to(
    xm: Xm, kept: str, workplace: Path
) -> None:
    (workplace / "more.img").write_bytes(bytes(2**20))
    changes = (
        ("mem-set", kept, "80"),
        ("vcpu-pin", kept, "0", "1"),
        ("sched-credit2", "-d", kept, "-w", "512"),
        ("block-attach", kept, "file:more.img", "xvdb", "w"),
        ("network-attach", kept, "bridge=xenbr0"),
        ("block-detach", "-f", kept, "xvda"),
        ("network-detach", "-f", kept, "0"),
    )
    refused = xm("mem-set", "Domain-0", "700", "--persist", check=False)
    assert (refused.returncode, "is not managed" in refused.stderr) == (1, True)
    xm("start", "-p", kept)
    for words in changes:
        xm(*words)
    # The other half of changes that Xen has already: each is one revision, and then nothing differs.
    fields = ["memory_mib", "disks", "nics", "scheduling", "cpus", "numa_placement"]
    assert sorted(line.split(":")[0] for line in xm("config", "diff", kept).stdout.splitlines()) == sorted(
        fields
    )
    (listed,) = json.loads(xm("list", "--json", kept).stdout)
    assert sorted(listed["differing"]) == sorted(fields)
    assert "(differs (" in xm("list", "--long", kept).stdout
    xm("destroy", kept)
    for words in changes:
        xm(*(word for word in words if word != "-f"), "--persist")  # of one that does not run, only kept
    done = [
        line.split(maxsplit=4)[4].split()[0] for line in xm("config", "history", kept).stdout.splitlines()[2:]
    ]
    assert done == [words[0] for words in changes]
    xm("start", "-p", kept)
    assert row(xm).split()[2] == "80"
    assert "51728" in xm("block-list", kept).stdout
    assert "51712" not in xm("block-list", kept).stdout
    assert len(xm("network-list", kept).stdout.splitlines()) == 2
    before = xm("config", "history", kept).stdout
    xm("mem-set", kept, "72", "--persist")
    xm("block-detach", "-f", kept, "xvdb", "--persist")
    added = xm("config", "history", kept).stdout.removeprefix(before).splitlines()
    assert [line.split(maxsplit=4)[4] for line in added] == ["mem-set 72", "block-detach xvdb"]
    assert xm("config", "diff", kept).stdout == ""


def test_a_domain_that_xl_made_comes_under_management(
    xm: Xm, lab_host: LabHost, small_guest: tuple[Path, Path], leaves_nothing: None
) -> None:
    for path, name in zip(small_guest, ("kernel", "initrd"), strict=True):
        lab_host.put(path.read_bytes(), f"/root/{name}")
    lab_host.run(["truncate", "-s", "8M", "/root/byxl.img"])
    lab_host.put(
        b'name="byxl"\nmemory=96\nkernel="/root/kernel"\nramdisk="/root/initrd"\n'
        b'extra="console=hvc0 quiet name=byxl"\nvif=["bridge=xenbr0"]\n'
        b'disk=["/root/byxl.img,raw,xvda,rw"]\n',
        "/root/byxl.cfg",
    )
    lab_host.run(["xl", "create", "/root/byxl.cfg"])
    uuid = json.loads(xm("list", "--json", "byxl").stdout)[0]["uuid"]
    assert "xl create" in lab_host.run(["ps", "-eo", "args="]).stdout
    assert xm("adopt", "byxl").stdout == ""
    eventually(lambda: "xl create" not in lab_host.run(["ps", "-eo", "args="]).stdout)
    assert xm("config", "diff", "byxl").stdout == ""
    config = xm("config", "show", "byxl").stdout
    for line in ("memory = 96", 'kernel = "/root/kernel"', "file:/root/byxl.img,xvda,w", "bridge=xenbr0"):
        assert line in config
    mac = re.findall(r"mac=([0-9a-f:]{17})", config)
    wait_until_up(xm, "byxl")
    xm("shutdown", "byxl")
    eventually(lambda: xm("domid", "byxl").stdout == "None\n")  # xend has taken it away
    xm("start", "-p", "byxl")
    assert json.loads(xm("list", "--json", "byxl").stdout)[0]["uuid"] == uuid
    assert mac[0] in lab_host.run(["xl", "network-list", "byxl"]).stdout
    assert xm("adopt", "byxl", check=False).returncode == 1
    xm("destroy", "byxl")
    xm("delete", "byxl")


def test_everything_is_exported_and_comes_back(xm: Xm, kept: str, workplace: Path) -> None:
    xm("config", "set", kept, "memory=104")
    xm("autostart", kept, "--order=3", "--delay=0.5")
    xm("firewall", "add", kept, "allow in tcp 22")
    xm("firewall", "add", kept, "deny in")
    before = [
        xm("config", "history", "--json", kept).stdout,
        xm("autostart", "--json").stdout,
        xm("list", "--json", kept).stdout,
        xm("firewall", "show", "--json", kept).stdout,
    ]
    xm("export", "all.json")
    assert (workplace / "all.json").stat().st_mode & 0o077 == 0
    assert xm("export", "all.json", check=False).returncode == 1
    done = xm("import", "all.json", check=False)
    assert (done.returncode, "VM name 'web' already exists (nothing is imported" in done.stderr) == (1, True)
    assert xm("import", "--skip", "all.json").stdout == "left out: web\n"
    xm("config", "set", kept, "memory=120")
    assert xm("import", "--force", "all.json").stdout == "replaced: web\n"
    xm("delete", kept)
    assert xm("import", "-", stdin=(workplace / "all.json").read_text()).stdout == "imported: web\n"
    assert before == [
        xm("config", "history", "--json", kept).stdout,
        xm("autostart", "--json").stdout,
        xm("list", "--json", kept).stdout,
        xm("firewall", "show", "--json", kept).stdout,
    ]
    text = (workplace / "all.json").read_text().replace('"version": 2', '"version": 3')
    done = xm("import", "-", stdin=text, check=False)
    assert "made by a newer Domus (version 3)" in done.stderr


def test_what_starts_with_the_host_starts_once_per_boot_and_ends_with_it(
    xm: Xm, kept: str, lab_host: LabHost, small_guest: tuple[Path, Path]
) -> None:
    for path, name in zip(small_guest, ("kernel", "initrd"), strict=True):
        lab_host.put(path.read_bytes(), f"/root/{name}")
    lab_host.put(
        b'name="auto"\nmemory=96\nkernel="/root/kernel"\nramdisk="/root/initrd"\nextra="console=hvc0"\n',
        "/root/auto.cfg",
    )
    lab_host.run(["ln", "-sf", "/root/auto.cfg", "/etc/xen/auto/auto"])
    try:
        assert xm("autostart", kept, "--after=auto").stdout == "web starts with the host\n"
        assert xm("autostart").stdout.splitlines()[1].split() == ["web", "0", "0", "ignore", "auto"]
        kill_xend(lab_host)  # not a boot of the host: nothing starts
        with lab_host.client() as client:
            assert "autostart" not in {operation.kind for operation in client.operations()}
        lab_host.run(["python3", "-"], stdin=FORGET_BOOT)
        kill_xend(lab_host)
        eventually(lambda: xm("domid", kept).stdout != "None\n")
        assert xm("domid", "auto", check=False).returncode == 0
        xm("autostart", "--start-all")  # all of it runs
        lab_host.put(b"XENDOMAINS_STOP_MAXWAIT=100\nXENDOMAINS_SHUTDOWN_ALL=\n", "/etc/default/xendomains")
        xm("config", "set", kept, "on_xend_stop=destroy")
        wait_until_up(xm, "auto")
        xm("autostart", "--stop-all")
        assert xm("domid", kept).stdout == "None\n"
        assert xm("domid", "auto", check=False).returncode == 3
    finally:
        lab_host.run(["rm", "-rf", "/etc/xen/auto/auto", "/etc/default/xendomains", "/root/saved"])
        xm("destroy", "auto", check=False)


@pytest.mark.soak
def test_what_was_saved_when_the_host_stopped_comes_back_once(
    xm: Xm, kept: str, lab_host: LabHost, small_guest: tuple[Path, Path]
) -> None:
    for path, name in zip(small_guest, ("kernel", "initrd"), strict=True):
        lab_host.put(path.read_bytes(), f"/root/{name}")
    lab_host.put(
        b'name="auto"\nmemory=96\nkernel="/root/kernel"\nramdisk="/root/initrd"\nextra="console=hvc0"\n',
        "/root/auto.cfg",
    )
    lab_host.run(["ln", "-sf", "/root/auto.cfg", "/etc/xen/auto/auto"])
    try:
        xm("autostart", kept)
        lab_host.put(b"XENDOMAINS_SAVE=/root/saved\nXENDOMAINS_SHUTDOWN_ALL=\n", "/etc/default/xendomains")
        xm("config", "set", kept, "on_xend_stop=suspend")
        xm("autostart", "--start-all")
        for name in ("auto", kept):
            wait_until_up(xm, name)
        xm("autostart", "--stop-all")
        assert lab_host.run(["ls", "/root/saved"]).stdout.split() == ["auto"]
        assert "Domain is suspended" in xm("start", kept, check=False).stderr
        lab_host.run(["cp", "/root/saved/auto", "/root/old"])
        lab_host.run(["sh", "-c", "echo no domain > /root/saved/other"])
        done = xm("autostart", "--start-all", check=False)
        assert (done.returncode, "not started: /root/saved/other (" in done.stderr) == (1, True), done.stderr
        assert {row(xm, name).split()[4][2] for name in ("auto", kept)} == {"-"}  # neither is paused
        assert lab_host.run(["ls", "/root/saved"]).stdout.split() == ["other"]
        lab_host.run(["mv", "/root/old", "/root/saved/other"])
        done = xm("autostart", "--start-all", check=False)
        assert "there is a domain 'auto' already; the file stays" in done.stderr
    finally:
        lab_host.run(["rm", "-rf", "/etc/xen/auto/auto", "/etc/default/xendomains", "/root/saved"])
        xm("destroy", "auto", check=False)
