"""Images between two real hosts: sent and fetched in TLS, gone on with after kills, refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.domains.guests import eventually, kill_xend

if TYPE_CHECKING:
    from domus.lab.host import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.soak]

STORE = "/var/lib/domus/images"
#: 400 MiB of which some 24 are data, so that a transfer takes a while
MAKE = f"""
xm image create web 400M
dd if=/dev/urandom of={STORE}/web.raw bs=1M count=20 conv=notrunc
dd if=/dev/urandom of={STORE}/web.raw bs=1M count=4 seek=300 conv=notrunc
xm image create small 8M
echo hello | dd of={STORE}/small.raw conv=notrunc
"""


@pytest.fixture(scope="module")
def hosts(new_host: Callable[[], LabHost]) -> tuple[LabHost, LabHost]:
    """One with images, and another."""
    here, there = new_host(), new_host()
    here.run(["sh", "-e", "-c", MAKE])
    return here, there


def sha256(host: LabHost, name: str) -> str:
    return host.run(["sha256sum", f"{STORE}/{name}.raw"]).stdout.split()[0]


def arrived(host: LabHost) -> int:
    """How many pieces of images have come that are awaited."""
    lines = host.run(["sh", "-c", f"cat {STORE}/.incoming-*/pieces 2>/dev/null | wc -l"]).stdout
    return int(lines)


def begun(host: LabHost, *words: str) -> None:
    """A command that runs on, whose end is written down."""
    line = f"(sh -c 'echo $$ > /tmp/pid; exec {' '.join(words)}'; echo status $?) > /tmp/transfer 2>&1 &"
    host.run(["sh", "-c", line])


def ended(host: LabHost) -> str:
    """What it said in the end."""
    eventually(lambda: "status" in host.run(["cat", "/tmp/transfer"]).stdout)
    return host.run(["cat", "/tmp/transfer"]).stdout


def test_an_image_is_sent_and_fetched_with_its_holes(hosts: tuple[LabHost, LabHost]) -> None:
    here, there = hosts
    said = here.run(["xm", "image", "push", "small", there.name]).stdout
    assert f"Image small is on {there.name}" in said
    assert sha256(there, "small") == sha256(here, "small")
    here.run(["xm", "image", "pull", "small", there.name, "--as", "back"])
    assert sha256(here, "back") == sha256(here, "small")
    blocks = int(here.run(["stat", "-c", "%b", f"{STORE}/back.raw"]).stdout)
    assert blocks * 512 < 1 << 20
    assert "small" in there.run(["xm", "image", "list"]).stdout


def test_a_clone_is_sent_with_the_data_that_it_shares(hosts: tuple[LabHost, LabHost]) -> None:
    here, there = hosts
    here.run(["xm", "image", "clone", "small", "child"])
    # Where the file system shares no blocks it is a qcow2 file over the other's data.
    here.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 64k", f"{STORE}/child.qcow2"])
    here.run(["qemu-img", "convert", f"{STORE}/child.qcow2", "/tmp/wanted"])
    here.run(["xm", "image", "push", "child", there.name])
    assert sha256(there, "child") == here.run(["sha256sum", "/tmp/wanted"]).stdout.split()[0]
    assert ".work" not in here.run(["ls", "-A", STORE]).stdout
    done = there.run(["xm", "image", "pull", "child", here.name, "--as", "again"], check=False)
    assert "shares the data of another one" in done.stderr
    here.run(["xm", "image", "rm", "child", "--force"])


def test_what_cannot_be_sent_is_refused_in_one_line(hosts: tuple[LabHost, LabHost]) -> None:
    here, there = hosts
    for words, message in (
        (["push", "small", there.name], "has an image 'small' already"),
        (["push", "none", there.name], "no image 'none'"),
        (["pull", "none", there.name], "no image 'none'"),
        (["push", "small", "nohost"], "unknown host 'nohost'"),
        (["push", "small", "local"], "an image goes from host to host"),
    ):
        done = here.run(["xm", "image", *words], check=False)
        assert done.status == 1
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("verb", ["push", "pull"])
@pytest.mark.parametrize("killed", ["xm", "xend"])
def test_a_transfer_that_is_killed_leaves_no_image_and_goes_on_later(
    hosts: tuple[LabHost, LabHost], verb: str, killed: str
) -> None:
    here, there = hosts
    name = f"web-{verb}-{killed}"
    target = there if verb == "push" else here
    if verb == "pull" and "web.raw" not in there.run(["ls", STORE]).stdout:
        here.run(["xm", "image", "push", "web", there.name])
    begun(here, "xm", "image", verb, "web", there.name, "--as", name)
    eventually(lambda: arrived(target) > 0)
    if killed == "xm":
        here.run(["sh", "-c", "kill -9 $(cat /tmp/pid)"])
    else:
        kill_xend(there)
        assert "the same command goes on from there" in ended(here)
    time.sleep(1)
    assert f"{name}.raw" not in target.run(["ls", STORE]).stdout
    before = arrived(target)
    assert 0 < before < 7, "it was killed in the middle"
    here.run(["xm", "image", verb, "web", there.name, "--as", name])
    assert sha256(target, name) == sha256(here, "web")
    assert target.run(["sh", "-c", f"ls -d {STORE}/.incoming-* 2>/dev/null; true"]).stdout == ""
    target.run(["xm", "image", "rm", name, "--force"])


def test_a_host_that_takes_nothing_from_others_takes_no_image(hosts: tuple[LabHost, LabHost]) -> None:
    here, there = hosts
    there.run(["sh", "-c", "printf '[migration]\\naccept = false\\n' >> /etc/xen/xend.toml"])
    kill_xend(there)
    done = here.run(["xm", "image", "push", "small", there.name, "--as", "other"], check=False)
    assert done.status == 1
    assert "takes no images of other hosts" in done.stderr
    assert ".incoming" not in there.run(["ls", "-A", STORE]).stdout
