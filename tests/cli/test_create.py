"""What `xm create` makes of its arguments."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import cast

import pytest

from domus.cli import configfile
from domus.cli.carry_out import interrupts_held
from domus.cli.configfile import Arguments, arguments
from domus.cli.create import build
from domus.cli.declared import find
from domus.cli.handover import hand_over, missing_files
from domus.cli.options import Call
from domus.cli.target import Local
from domus.client import Client
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig
from domus.model.errors import BadInput, Cancelled, Conflict
from domus.model.operation import Operation, OperationState


def call(line: str) -> Call:
    command = find("create")
    assert command is not None
    return Call(command, line.split())


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("", Arguments("", {}, {})),
        ("g.cfg", Arguments("g.cfg", {}, {})),
        ("-q g.cfg", Arguments("g.cfg", {}, {})),
        ("-qpc g.cfg", Arguments("g.cfg", {}, {})),
        ("-f g.cfg", Arguments("g.cfg", {}, {})),
        ("--defc=g.cfg -p", Arguments("g.cfg", {}, {})),
        ("-F g.sxp", Arguments("g.sxp", {}, {})),
        ("memory=256 g.cfg name=x", Arguments("g.cfg", {"memory": "256", "name": "x"}, {})),
        ("g.cfg extra=a=b", Arguments("g.cfg", {"extra": "a=b"}, {})),
        ("./a=b.cfg", Arguments("./a=b.cfg", {}, {})),
        ("g disk=phy:a,b,w disk=c", Arguments("g", {}, {"disk": ["phy:a,b,w", "c"]})),
        ("g usbdev=a usbdev=b channel=c", Arguments("g", {}, {"usbdev": ["a", "b"], "channel": ["c"]})),
        ("g.cfg -- vmid=3", Arguments("g.cfg", {"vmid": "3"}, {})),
    ],
)
def test_arguments(line: str, given: Arguments) -> None:
    assert arguments(call(line)) == given


def test_a_file_is_found_as_named_then_in_the_path(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "g1").touch()
    assert configfile.find("g1", f".:{etc}") == f"{etc}/g1"
    (tmp_path / "g1").touch()
    assert configfile.find("g1", f".:{etc}") == "./g1"
    assert configfile.find("./g1") == "./g1"
    assert configfile.find("etc/g1") == "./etc/g1"
    assert configfile.find("g2") is None


def test_a_forgotten_suffix_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "g1.cfg").touch()
    assert configfile.hint_for("g1") == "did you mean ./g1.cfg?"
    assert configfile.hint_for("g2") == ""


def test_missing_kernel_and_ramdisk_are_named_at_once() -> None:
    config = DomainConfig(name="g", kernel="/no/kernel", ramdisk="/no/initrd")
    assert missing_files(config) == ['Cannot find kernel "/no/kernel"', 'Cannot find ramdisk "/no/initrd"']
    with pytest.raises(BadInput, match='Cannot find kernel "/no/kernel"; Cannot find ramdisk'):
        hand_over(config, Local())


def test_on_this_machine_paths_become_absolute_and_names_stay(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").touch()
    config = DomainConfig(
        name="g",
        kernel="vmlinuz",
        disks=(
            Disk(vdev="xvda", target="disk.img"),
            Disk(vdev="xvdb", target="lun:abc"),
            Disk(vdev="xvdc", cdrom=True),
        ),
    )
    handed = hand_over(config, Local())
    assert handed.kernel == f"{tmp_path}/vmlinuz"
    assert [disk.target for disk in handed.disks] == [f"{tmp_path}/disk.img", "lun:abc", None]


class _Interrupted:
    """A client during whose request Ctrl-C is pressed; it notes what is asked of it afterwards."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def create(self, request: CreateRequest) -> Operation:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)  # any thread may take the signal; by now one has
        return _operation(OperationState.RUNNING, request.config.name)

    def cancel(self, id: str) -> Operation:
        self.asked.append(f"cancel {id}")
        return _operation(OperationState.UNDOING, "web")

    def finish(self, operation: Operation, on_change: object = None) -> Operation:
        self.asked.append(f"wait for {operation.id}")
        raise Cancelled("cancelled")


def _request() -> CreateRequest:
    return CreateRequest(config=DomainConfig(name="web", memory_mib=64, kernel="k"))


def _operation(state: OperationState, name: str) -> Operation:
    return Operation(id="7", kind="create", domain=name, uuid="", who="", state=state, started=0.0)


def test_ctrl_c_while_the_request_to_create_is_on_its_way_undoes_it() -> None:
    client, request = _Interrupted(), _request()
    with pytest.raises(Cancelled, match="nothing is left of it"):
        build(cast(Client, client), lambda: client.create(request), "web")
    assert client.asked == ["cancel 7", "wait for 7"]


class _Late(_Interrupted):
    """One whose domain is there before the creation can be cancelled."""

    def cancel(self, id: str) -> Operation:
        raise Conflict("the create of web has ended: done")

    def operation(self, id: str) -> Operation:
        return _operation(OperationState.DONE, "web")

    def finish(self, operation: Operation, on_change: object = None) -> Operation:
        return operation

    def destroy(self, ref: str) -> Operation:
        self.asked.append(f"destroy {ref}")
        return _operation(OperationState.DONE, "web")


def test_ctrl_c_that_comes_when_the_domain_is_there_takes_it_away_again() -> None:
    client, request = _Late(), _request()
    with pytest.raises(Cancelled, match="domain web was taken away again"):
        build(cast(Client, client), lambda: client.create(request), "web")
    assert client.asked == ["destroy web"]


def test_ctrl_c_while_a_request_is_on_its_way_comes_after_its_answer() -> None:
    answered = False
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            assert threading.current_thread() is threading.main_thread()
            os.kill(os.getpid(), signal.SIGINT)
            answered = True
        pytest.fail("the interrupt was lost")
    assert answered
