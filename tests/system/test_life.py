"""xm save, restore, reset and events as their users have them; hooks; waiting for shutdowns."""

from __future__ import annotations

import json

import pytest

from domus.lab.host import LabHost
from tests.domains.guests import wait_until_up
from tests.system.conftest import Xm

pytestmark = pytest.mark.lab

HOOK = """#!/bin/sh
echo "$(id -un) saw $DOMUS_EVENT_KIND of $DOMUS_EVENT_DOMAIN: $(wc -c) bytes"
"""


def up(host: LabHost) -> None:
    with host.client() as client:
        wait_until_up(client, "web")


def domids(xm: Xm) -> dict[str, int]:
    return {each["name"]: each["domid"] for each in json.loads(xm("list", "--json").stdout)}


@pytest.mark.soak
def test_a_domain_is_saved_restored_and_reset_and_all_of_it_is_told(
    lab_host: LabHost, xm: Xm, web: str
) -> None:
    lab_host.run(["mkdir", "-p", "/etc/xen/hooks.d"])
    lab_host.put(HOOK.encode(), "/etc/xen/hooks.d/tell")
    lab_host.put(b"#!/bin/sh\necho never\n", "/etc/xen/hooks.d/unsafe")
    lab_host.run(["sh", "-c", "cd /etc/xen/hooks.d && chmod 755 tell && chmod 777 unsafe"])
    up(lab_host)
    before = json.loads(xm("events", "--json").stdout.splitlines()[-1])["revision"]
    first = domids(xm)["web"]
    saved = xm("save", "web", "/root/web.save")
    assert (saved.stdout, saved.stderr) == ("", "")
    assert "web" not in domids(xm)
    restored = xm("restore", "-p", "/root/web.save")
    assert (restored.stdout, restored.stderr) == ("", "")
    second = domids(xm)["web"]
    assert second > first
    too_early = xm("dump-core", "web", "/root/web.core", check=False)
    assert "let it, then try again" in too_early.stderr
    assert too_early.stdout == "Dumping core of domain: web ...\n"
    lab_host.run(["rm", "/root/web.save"])
    assert xm("reset", "web").stdout == ""
    assert domids(xm)["web"] > second
    told = [json.loads(line) for line in xm("events", "--json", f"--since={before}").stdout.splitlines()]
    kinds = [event["kind"] for event in told if event.get("domain") == "web"]
    for kind in ("domain.saved", "domain.restored", "domain.destroyed", "domain.created"):
        assert kind in kinds
    assert [event["revision"] for event in told] == list(range(before + 1, before + 1 + len(told)))
    assert f"domain.restored    web (id {second}) path=/root/web.save" in xm("events").stdout
    log = xm("log").stdout
    assert "hook tell: nobody saw domain.saved of web: " in log
    assert "hook refused: /etc/xen/hooks.d/unsafe can be written by others than root" in log
    assert "hook unsafe" not in log


def test_mistakes_are_told_in_xms_words(xm: Xm) -> None:
    for words, status, text in (
        (("save", "Domain-0", "/root/f"), 1, "Error: Cannot save privileged domain Domain-0"),
        (("save", "none", "/root/f"), 3, "Error: Domain 'none' does not exist."),
        (("save", "none", "f"), 1, "give its absolute path"),
        (("save", "-c", "none"), 1, "Error: Wrong number of parameters"),
        (("restore", "/root/none"), 1, "Error: xm restore: Unable to read file /root/none"),
        (("restore", "/etc/passwd"), 1, "Error: not a valid guest state file: found 'root:x:0:0:root:'"),
        (("dump-core", "-C", "-R", "x"), 1, "Error: You may not specify more than one '-CR' option"),
        (("dump-core",), 1, "Error: Expects 1 or 2 argument(s)"),
        (("dump-core", "0"), 1, "Error: Cannot dump core for privileged domain 0"),
        (("reset", "0"), 1, "Error: Cannot reset privileged domain 0"),
        (("events", "--since=x"), 1, "invalid revision 'x'"),
    ):
        done = xm(*words, check=False)
        assert (done.returncode, text in done.stderr) == (status, True), (words, done.stderr)


@pytest.mark.soak
def test_a_shutdown_that_is_waited_for_ends_soon_after_the_guest(lab_host: LabHost, xm: Xm, web: str) -> None:
    up(lab_host)
    done = xm("shutdown", "-w", "web")
    assert done.stdout == "Domain web terminated\nAll domains terminated\n"
