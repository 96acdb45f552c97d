"""Python packages for a lab host whose Debian release does not have them: locked wheels, by pip."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from domus.model.errors import NotFound
from domus.programs import run

#: wheels that run on any Debian on amd64 from 12 on (glibc 2.36)
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def pack(lock: Path, python: str, target: Path) -> None:
    """Put what a lock file names, unpacked, into the tar file `target`.

    Args:
        lock: names, versions and hashes, as pip-compile writes them.
        python: version of the Python that shall import them, such as "3.11".

    Raises:
        NotFound: there is no pip.
        ProgramFailed: a package cannot be had, or is not the one that was locked.
    """
    if find_spec("pip") is None:
        raise NotFound("a host image of this suite takes pip", hint=f"{sys.executable} -m ensurepip")
    folder = target.with_suffix("")
    run(
        [
            sys.executable,
            *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
            *("--require-hashes", "--no-deps", "--only-binary=:all:"),
            *(f"--platform={platform}" for platform in _PLATFORMS),
            *("--implementation=cp", f"--python-version={python}"),
            f"--target={folder}",
            *("-r", lock),
        ]
    )
    shutil.rmtree(folder / "bin", ignore_errors=True)  # programs that would start this machine's Python
    run(["tar", "--create", "--file", target, "--owner=0", "--group=0", "--directory", folder, "."])
    shutil.rmtree(folder)
