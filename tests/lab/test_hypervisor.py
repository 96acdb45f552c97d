"""The lab's other hypervisor: what building it takes, how a host is started with it, what it can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domus.lab import hypervisor, machine
from domus.lab.host import LabHost
from domus.lab.machine import Machine
from domus.lab.record import Shape
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.errors import NotFound
from tests.domains.guests import boot_id, wait_until_up


def a_machine(other: Path | None) -> Machine:
    return Machine(
        shape=Shape(),
        accelerator="tcg",
        image=Path("/images/one"),
        hypervisor=other,
        layer=Path("/layers/one/layer.squashfs"),
        ram=Path("/ram"),
        share_ram=False,
        folder=Path("/host"),
        api_port=1,
        lan_port=2,
    )


def test_what_is_missing_for_a_build_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotFound) as refused:
        hypervisor.check_programs()
    assert "flex" in refused.value.what
    assert "sudo apt install apt dpkg-dev" in (refused.value.hint or "")


def test_another_source_of_the_same_branch_will_do_the_newest_first() -> None:
    listed = ["4.17.5+72-g01-1", "4.17.10-1", "4.17.7+13-g24-0+deb12u1", "4.20.0-1", "4.1.7-1", "4.17.10-1"]
    assert hypervisor.candidates("4.17.7+13-g24-0+deb12u1", listed) == [
        "4.17.7+13-g24-0+deb12u1",
        "4.17.10-1",
        "4.17.5+72-g01-1",
    ]
    assert hypervisor.candidates("4.20.5-1", listed) == ["4.20.5-1", "4.20.0-1"]
    assert hypervisor.candidates("4.1.9-1", listed) == ["4.1.9-1", "4.1.7-1"]


def test_the_policy_is_the_third_module_and_flask_enforces_it() -> None:
    plain = machine.command_line(a_machine(None), qmp_fd=3, boot=True)
    full = machine.command_line(a_machine(Path("/full")), qmp_fd=3, boot=True)
    assert plain[plain.index("-kernel") + 1] == "/images/one/xen"
    assert "flask" not in " ".join(plain)
    assert full[full.index("-kernel") + 1] == "/full/xen"
    modules = full[full.index("-initrd") + 1].split(",")
    assert [module.split()[0] for module in modules] == [
        "/images/one/vmlinuz",
        "/images/one/initrd",
        "/full/xenpolicy",
    ]
    assert "flask=enforcing" in full[full.index("-append") + 1].split()


def test_a_machine_with_another_hypervisor_has_templates_of_its_own() -> None:
    names = {machine.identity(a_machine(other)) for other in (None, Path("/full-1"), Path("/full-2"))}
    assert len(names) == 3


@pytest.fixture(scope="module")
def full_host(new_host: Callable[..., LabHost], full_hypervisor: Shape) -> LabHost:
    return new_host(full_hypervisor)


@pytest.mark.lab
@pytest.mark.soak
def test_a_paravirtualized_guest_moves_while_it_runs_and_has_a_label(
    full_host: LabHost, small_guest: tuple[Path, Path]
) -> None:
    # its exit status is the mode
    assert full_host.run(["xl", "getenforce"], check=False).stdout == "Enforcing\n"
    with full_host.client() as client:
        kernel, ramdisk = (client.put_blob(path) for path in small_guest)
        config = DomainConfig(
            name="guest", memory_mib=96, kernel=kernel, ramdisk=ramdisk, cmdline="console=hvc0 quiet"
        )
        client.finish(client.create(CreateRequest(config=config)))
        wait_until_up(client, "guest")
        assert "system_u:system_r:domU_t" in full_host.run(["xl", "list", "-Z"]).stdout
        before, domid = boot_id(client, "guest"), client.domain("guest").domid
        # to this same host: xl asks for live moves, and Debian's hypervisor cannot log what a PV guest writes
        full_host.run(["xl", "migrate", "-s", "", "guest", "xl migrate-receive"], within=300)
        assert client.domain("guest").domid != domid
        assert boot_id(client, "guest") == before
