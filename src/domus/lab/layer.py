"""Domus itself as the second layer of a lab host's root: small, and made in about a second.

A change of our own code makes a new layer (and so a new template), never a new image.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import domus
from domus.lab import paths
from domus.lab.built import build_once
from domus.lab.progress import Report, silent
from domus.programs import run

#: the package's own sources: what this process was started from is what runs in the host
SOURCES = Path(domus.__file__).parent

SCRIPTS = SOURCES / "lab/scripts"

LAYER_SPACE_MIB = 50


def wanted(report: Report = silent) -> Path:
    """The layer file of this process's own sources, made first if it is not there."""
    digest = sources_digest()
    folder = build_once(
        paths.layers_dir() / f"domus-{domus.__version__}-{digest}",
        _build,
        space_mib=LAYER_SPACE_MIB,
        on_wait=lambda: report("another process is packing Domus: waiting for it", None),
    )
    return folder / "layer.squashfs"


def sources_digest() -> str:
    """The first digits of a SHA-256 over the names and contents of our source files."""
    total = hashlib.sha256()
    for path in _files():
        total.update(f"{path.relative_to(SOURCES)}\0".encode())
        total.update(path.read_bytes())
        total.update(b"\0")
    return total.hexdigest()[:12]


def _files() -> list[Path]:
    return sorted(path for path in SOURCES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _build(folder: Path) -> None:
    root = folder / "root"
    package = root / "usr/lib/python3/dist-packages/domus"
    for path in _files():
        target = package / path.relative_to(SOURCES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    lab = root / "usr/lib/domus/lab"
    lab.mkdir(parents=True)
    _program(lab / "boot", (SCRIPTS / "dom0-boot").read_text())
    (root / "etc").mkdir()
    shutil.copyfile(SCRIPTS / "dom0-inittab", root / "etc/inittab")
    (root / "usr/bin").mkdir(parents=True)
    for name, module in (("xm", "domus.cli.__main__"), ("xend", "domus.daemon.__main__")):
        _program(
            root / "usr/bin" / name,
            f"#!/usr/bin/python3\nimport sys\nfrom {module} import run\n\nsys.exit(run())\n",
        )
    run(
        [
            "mksquashfs",
            root,
            folder / "layer.squashfs",
            "-quiet",
            "-no-progress",
            "-all-root",
            "-comp",
            "zstd",
        ]
    )
    shutil.rmtree(root)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
