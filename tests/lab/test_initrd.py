"""Initial RAM disks: modules in an order in which they can be loaded."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

import pytest

from domus.lab import initrd
from domus.model.errors import HostProblem


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "6.12.1-amd64"
    folder.mkdir()
    (folder / "modules.dep").write_text(
        "kernel/a.ko.xz:\nkernel/b.ko.xz: kernel/a.ko.xz\nkernel/x-c.ko.xz: kernel/b.ko.xz kernel/a.ko.xz\n"
    )
    (folder / "modules.builtin").write_text("kernel/loop.ko\n")
    (folder / "kernel").mkdir()
    for name in ("a", "b", "x-c"):
        (folder / f"kernel/{name}.ko.xz").write_bytes(lzma.compress(f"module {name}".encode()))
    return folder


def test_what_a_module_needs_comes_before_it(modules: Path) -> None:
    names = [path.name for path in initrd.with_dependencies(modules, ["x_c", "a", "loop"])]
    assert names == ["a.ko.xz", "b.ko.xz", "x-c.ko.xz"]


def test_a_module_that_the_kernel_does_not_have_is_named(modules: Path) -> None:
    with pytest.raises(HostProblem, match="has no module zfs"):
        initrd.with_dependencies(modules, ["zfs"])


def test_the_archive_holds_busybox_init_and_unpacked_modules(modules: Path, tmp_path: Path) -> None:
    busybox, init = tmp_path / "busybox", tmp_path / "init"
    busybox.write_text("b")
    init.write_text("i")
    target = tmp_path / "initrd"
    initrd.build(target, busybox=busybox, init=init, modules=initrd.with_dependencies(modules, ["b"]))
    out = tmp_path / "out"
    out.mkdir()
    with target.open("rb") as archive:
        subprocess.run(["cpio", "-id", "--quiet"], stdin=archive, cwd=out, check=True)
    assert (out / "lib/b.ko").read_text() == "module b"
    assert (out / "modules").read_text() == "/lib/a.ko\n/lib/b.ko\n"
    assert (out / "init").stat().st_mode & 0o111
