"""Modules that configuration files import: facades with what is harmless, advice for the rest."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from domus.config.evaluator.values import Facade, Refused, Value
from domus.config.suggestions import did_you_mean

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

#: name of a module by our module that makes its facade: `facade(machine)` or `facade_NAME(machine)`
_MAKERS: Final[dict[str, tuple[str, str]]] = {
    "os": ("system", "os_module"),
    "os.path": ("system", "path_module"),
    "posixpath": ("system", "path_module"),
    "sys": ("system", "sys_module"),
    "platform": ("system", "platform_module"),
    "socket": ("system", "socket_module"),
    "time": ("system", "time_module"),
    "re": ("matching", "re_module"),
    "string": ("texts", "string_module"),
    "math": ("texts", "math_module"),
    "random": ("chance", "random_module"),
    "uuid": ("chance", "uuid_module"),
    "itertools": ("texts", "itertools_module"),
    "functools": ("texts", "functools_module"),
    "xen": ("addresses", "xen_module"),
    "xen.util": ("addresses", "xen_module"),
    "xen.util.ip": ("addresses", "ip_module"),
    "errno": ("texts", "errno_module"),
    "types": ("texts", "types_module"),
    "copy": ("texts", "copy_module"),
    "sets": ("texts", "sets_module"),
    "hashlib": ("digests", "hashlib_module"),
    "md5": ("digests", "md5_module"),
    "sha": ("digests", "sha_module"),
    "zlib": ("digests", "zlib_module"),
    "binascii": ("digests", "binascii_module"),
}

_ADVICE: Final[dict[str, str]] = {
    "subprocess": "give the value on the command line as NAME=VALUE",
    "commands": "give the value on the command line as NAME=VALUE",
    "urllib": "give the value on the command line as NAME=VALUE",
    "urllib2": "give the value on the command line as NAME=VALUE",
    "ConfigParser": "write a dict in this file",
    "configparser": "write a dict in this file",
    "json": "write a dict in this file",
    "shutil": "configuration files cannot change anything",
    "tempfile": "configuration files cannot change anything",
    "ctypes": "",
    "importlib": "use import",
    "struct": "",
}


def import_module(machine: Machine, name: str) -> Facade:
    """The facade of a module.

    Raises:
        Refused: configuration files may not use it.
    """
    if name not in machine.modules:
        if name not in _MAKERS and name not in _ADVICE and (found := _beside(machine, name)) is not None:
            machine.modules[name] = found
            return found
        if name not in _MAKERS:
            raise Refused(
                f"configuration files may not import {name[:80]}",
                _ADVICE.get(name.partition(".")[0], did_you_mean(name, _MAKERS)),
            )
        ours, maker = _MAKERS[name]
        module = importlib.import_module(f"domus.config.evaluator.{ours}")
        machine.modules[name] = getattr(module, maker)(machine)
    facade: Value = machine.modules[name]
    assert isinstance(facade, Facade)  # noqa: S101 - our own makers make nothing else
    return facade


def _beside(machine: Machine, name: str) -> Facade | None:
    from domus.config.evaluator.include import module_of_file

    return module_of_file(machine, name)
