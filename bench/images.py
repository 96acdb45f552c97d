"""Images: a clone at once, and a build beside what it is made of: mmdebstrap and mkfs, bare."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from bench.figures import XM, Figure, median, spread, timed
from domus.storage.images import converting
from domus.storage.images.build import debian, template
from domus.storage.images.store import DirectoryStore

#: the image that is cloned, and how much of it is data
SIZE_BYTES = 4 << 30
DATA_BYTES = 64 << 20

#: what is built; the bare tools get the same packages and the same size
SIZE = "2G"


def images(runs: int) -> list[Figure]:
    """Both."""
    return [cloning(runs), building()]


def cloning(runs: int) -> Figure:
    """`xm image clone` of 4 GiB, from the shell."""
    with tempfile.TemporaryDirectory(prefix="domus-bench-") as folder:
        store = DirectoryStore(Path(folder))
        base = converting.create(store, "base", SIZE_BYTES)
        with base.path.open("r+b") as file:
            file.write(os.urandom(DATA_BYTES))
        times = []
        for number in range(runs):
            times.append(timed(partial(_clone, f"clone{number}", folder)))
        return Figure("image clone of 4 GiB", median(times), 0.2, "s", spread(times))


def _clone(name: str, store: str) -> None:
    subprocess.run([str(XM), "image", "clone", "base", name, "--store", store], check=True)


def building() -> Figure:
    """`xm image build` against mmdebstrap and mke2fs."""
    with tempfile.TemporaryDirectory(prefix="domus-bench-") as folder:
        store = Path(folder, "store")
        wanted = template.look_up(template.Template(size=SIZE), "web")
        root, part = Path(folder, "root"), Path(folder, "part")

        def bare() -> None:
            argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
            options = ["--aptopt=Apt::Install-Recommends false", "--dpkgopt=force-unsafe-io"]
            include = f"--include={','.join(debian.packages(wanted))}"
            subprocess.run(
                [*argv, *options, include, wanted.template.suite, root],
                check=True,
                capture_output=True,
                env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
            subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, part, SIZE], check=True)

        def ours() -> None:
            argv = [str(XM), "image", "build", "web", "--size", SIZE, "--store", str(store)]
            subprocess.run(argv, check=True, capture_output=True)

        theirs, mine = timed(bare), timed(ours)
        return Figure(
            "image build, against mmdebstrap and mkfs",
            mine / theirs,
            1.2,
            "",
            f"{mine:.0f} s and {theirs:.0f} s",
        )
