"""What runs in namespaces of its own, as their root: packages, files, the file system.

`python -m domus.storage.images.build.inside ORDER`: the order is a JSON file. Its steps are told on standard
output, one JSON object a line, and so is an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from domus.model.errors import BadInput, DomusError, Internal, Problem
from domus.programs import Argument, run
from domus.storage.images.build import boot, debian, filesystem, others, system
from domus.storage.images.build.template import Wanted


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done."""

    work: str  #: the folder where it is done; `part` and `core` are there at the end
    wanted: Wanted | None  #: None: a root is unpacked from `tar`
    tar: str
    fs: str
    root_bytes: int
    root_uuid: str
    swap_uuid: str
    bootable: bool


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A line of standard output."""

    step: str = ""
    share: float | None = None
    problem: Problem | None = None


#: which share of the whole is what installs packages
_INSTALLING = 0.88


def main(path: str) -> int:
    """Carry an order out."""
    order = msgspec.json.decode(Path(path).read_bytes(), type=Order)
    try:
        _carry_out(order)
    except DomusError as error:
        _say(Said(problem=error.problem()))
        return 1
    except OSError as error:
        _say(
            Said(
                problem=Problem(
                    type="host-problem", title=f"{error.filename or ''}: {error.strerror or error}"
                )
            )
        )
        return 1
    except Exception as error:
        _say(Said(problem=Internal(f"a mistake within the build: {type(error).__name__}: {error}").problem()))
        raise
    return 0


def _carry_out(order: Order) -> None:
    work, wanted = Path(order.work), order.wanted
    root = work / "root"
    if wanted is None:
        _report("unpacking the root", 0.1)
        root.mkdir()
        _unpack(order.tar, root)
    else:
        before = work / "before"
        system.before_packages(before, wanted.template.fs)
        if wanted.distribution in ("debian", "ubuntu"):
            debian.bootstrap(
                wanted, root, before, lambda step, share: _report(step, (share or 0) * _INSTALLING)
            )
        else:
            others.bootstrap(wanted, root, _report)
        _report("configuring it", _INSTALLING)
        system.configure(root, wanted, order.root_uuid, order.swap_uuid)
        if wanted.template.kernel != "none":
            boot.install(root, order.fs, order.root_uuid, work / "core" if order.bootable else None)
    _report("making the file system", 0.91)
    filesystem.make(order.fs, root, work / "part", order.root_bytes, order.root_uuid)


def _unpack(tar: str, root: Path) -> None:
    argv: list[Argument] = ["tar", "--extract", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    done = run([*argv, "--file", tar, "--directory", root], check=False)
    if done.status:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[0]  # what follows is "exiting"
        raise BadInput(f"{tar} cannot be unpacked: {said}", hint=f"tar -tf {tar}")


def _report(step: str, share: float | None) -> None:
    _say(Said(step=step, share=share))


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
