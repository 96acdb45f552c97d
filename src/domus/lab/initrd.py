"""Initial RAM disks of the lab's hosts and of the small guest: busybox, modules, and an init script."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from domus.model.errors import HostProblem
from domus.programs import run


def with_dependencies(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """The files of the `wanted` kernel modules and of all they need, in an order to load them.

    Args:
        modules: the folder of one kernel's modules, with its `modules.dep` and `modules.builtin`.
        wanted: module names; `-` and `_` are the same.

    Raises:
        HostProblem: the kernel has no such module.
    """
    needs: dict[Path, list[Path]] = {}
    by_name: dict[str, Path] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        needs[Path(file)] = [Path(word) for word in rest.split()]
        by_name[_name(file)] = Path(file)
    built_in = {_name(line) for line in (modules / "modules.builtin").read_text().splitlines()}
    ordered: list[Path] = []
    for name in wanted:
        found = by_name.get(_name(name))
        if found is None:
            if _name(name) in built_in:
                continue
            raise HostProblem(f"kernel {modules.name} has no module {name}")
        # depmod lists what a module needs with the ones to be loaded first at the end
        for each in (*reversed(needs[found]), found):
            if each not in ordered:
                ordered.append(each)
    return [modules / file for file in ordered]


def build(target: Path, *, busybox: Path, init: Path, modules: Sequence[Path]) -> None:
    """Write an initial RAM disk to `target`.

    It is left uncompressed, its modules too: what runs under emulation is dear, QEMU's copying is not.
    """
    with TemporaryDirectory(dir=target.parent) as folder:
        root = Path(folder)
        for directory in ("bin", "dev", "proc", "sys", "lib", "etc"):
            (root / directory).mkdir()
        _place(busybox, root / "bin/busybox")
        _place(init, root / "init")
        for module in modules:
            name = module.name.removesuffix(".xz")
            content = module.read_bytes()
            (root / "lib" / name).write_bytes(lzma.decompress(content) if module.suffix == ".xz" else content)
        (root / "modules").write_text(
            "".join(f"/lib/{module.name.removesuffix('.xz')}\n" for module in modules)
        )
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        run(
            ["cpio", "--quiet", "-o", "-H", "newc", "--owner=0:0", "-O", target.absolute()],
            stdin="\n".join(names) + "\n",
            cwd=root,
        )


def _place(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _name(file: str) -> str:
    return Path(file).name.partition(".ko")[0].replace("-", "_")
