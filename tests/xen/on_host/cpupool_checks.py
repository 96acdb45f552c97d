"""What is claimed of libxl's cpupools; runs inside domain 0 of a host with two CPUs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from domus.model.errors import BadInput, LibxlError
from domus.xen.libxl import Libxl

_libxl: Libxl


def begin() -> None:
    """Open the library."""
    global _libxl
    _libxl = Libxl.open()


def raised(kind: type[Exception], call: Callable[..., Any], *arguments: Any) -> None:
    """The call fails in this way."""
    try:
        call(*arguments)
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def check_a_cpupool_comes_and_goes() -> None:
    _libxl.remove_cpu(0, 1)
    try:
        assert _libxl.free_cpu_numbers() == [1]
        number = _libxl.create_cpupool("checked", "credit", uuid.uuid4().bytes, [1], number=5)
        assert number == 5
        found = _libxl.list_cpupools()[1]
        assert (found["poolid"], found["pool_name"], found["sched"]) == (5, "checked", "credit")
        assert (found["cpumap"], found["n_dom"]) == ([1], 0)
        assert _libxl.set_pool_scheduling(5, "credit", {"tslice_ms": 10})["tslice_ms"] == 10
        assert _libxl.pool_scheduling(5, "credit")["tslice_ms"] == 10
        _libxl.rename_cpupool(5, "other")
        assert _libxl.cpupool_name(5) == "other"
        _libxl.destroy_cpupool(5)
        # Nothing is left of one that cannot be made.
        raised(LibxlError, _libxl.create_cpupool, "none", "credit", uuid.uuid4().bytes, [0])
        raised(BadInput, _libxl.create_cpupool, "none", "nonsense", uuid.uuid4().bytes, [1])
        assert [pool["poolid"] for pool in _libxl.list_cpupools()] == [0]
    finally:
        _libxl.add_cpu(0, 1)
