"""Facades of os, os.path, sys, platform, socket and time."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domus.config.evaluator.modules import import_module
from domus.config.evaluator.values import Builtin, Facade, Record, Refused, Thrown, Value, text

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_USE_VARIABLES: Final = "give the value on the command line as NAME=VALUE"
_NO_CHANGES: Final = "configuration files cannot change anything"


def functions(**bodies: Callable[..., Value]) -> dict[str, Value]:
    """Members of a facade that are functions."""
    return {name: Builtin(name, body) for name, body in bodies.items()}


def os_module(machine: Machine) -> Facade:
    """`os`."""
    host = machine.host
    environment = host.readable_environment()

    def getenv(machine: Machine, name: Value, default: Value = None) -> Value:
        if isinstance(name, str) and name in host.environment and name not in environment:
            machine.warn_hidden(name)
        return environment.get(name, default)

    return Facade(
        "os",
        {
            "path": import_module(machine, "os.path"),
            "environ": dict(environment),
            "name": "posix",
            "sep": "/",
            "linesep": "\n",
            "curdir": ".",
            "pardir": "..",
            "devnull": "/dev/null",
            "F_OK": 0,
            "R_OK": 4,
            "W_OK": 2,
            "X_OK": 1,
            "error": OSError,
            **functions(
                getenv=getenv,
                uname=lambda machine: Record.of(
                    **dict(
                        zip(("sysname", "nodename", "release", "version", "machine"), host.uname, strict=True)
                    )
                ),
                getuid=lambda machine: os.getuid(),
                geteuid=lambda machine: os.geteuid(),
                getcwd=lambda machine: host.directory,
                access=lambda machine, path, mode=0: host.exists(_path(path)),
            ),
        },
        {
            **dict.fromkeys(
                ("popen", "popen2", "popen3", "system", "execv", "execl", "execvp", "spawnv", "fork"),
                _USE_VARIABLES,
            ),
            **dict.fromkeys(("open", "read", "listdir", "walk", "readlink", "stat"), _USE_VARIABLES),
            **dict.fromkeys(
                (
                    "remove",
                    "unlink",
                    "mkdir",
                    "makedirs",
                    "rename",
                    "rmdir",
                    "chmod",
                    "chown",
                    "symlink",
                    "kill",
                ),
                _NO_CHANGES,
            ),
        },
    )


def path_module(machine: Machine) -> Facade:
    """`os.path`."""
    host = machine.host

    def pure(name: str) -> Callable[..., Value]:
        def body(machine: Machine, *paths: Value) -> Value:
            for path in paths:
                machine.budget.text(len(_path(path)))
            return getattr(posixpath, name)(*paths)

        return body

    return Facade(
        "os.path",
        {
            "sep": "/",
            **functions(
                **{name: pure(name) for name in ("basename", "dirname", "join", "split", "splitext", "isabs")}
            ),
            **functions(
                normpath=pure("normpath"),
                exists=lambda machine, path: host.exists(_path(path)),
                lexists=lambda machine, path: host.exists(_path(path)),
                isfile=lambda machine, path: host.is_file(_path(path)),
                isdir=lambda machine, path: host.is_directory(_path(path)),
                abspath=lambda machine, path: posixpath.normpath(posixpath.join(host.directory, _path(path))),
                realpath=lambda machine, path: posixpath.normpath(
                    posixpath.join(host.directory, _path(path))
                ),
                expanduser=lambda machine, path: _home(host.environment.get("HOME", "/root"), _path(path)),
            ),
        },
    )


def sys_module(machine: Machine) -> Facade:
    """`sys`."""

    def leave(machine: Machine, reason: Value = None) -> Value:
        raise Thrown(SystemExit(reason))

    def write(machine: Machine, written: Value) -> Value:
        machine.output.append(text(machine.budget, written).rstrip("\n"))
        machine.budget.text(len(machine.output[-1]))

    def flush(machine: Machine) -> Value:
        """Nothing to do: lines are shown when the file has been read."""

    stream = Facade("sys.stderr", functions(write=write, flush=flush))
    return Facade(
        "sys",
        {
            "argv": list(machine.host.arguments),
            "path": [],
            "platform": "linux",
            "byteorder": "little",
            "maxint": (1 << 63) - 1,
            "maxsize": (1 << 63) - 1,
            "version": "3.11 (Domus)",
            "version_info": Record.of(major=3, minor=11, micro=0, releaselevel="final", serial=0),
            "hexversion": 0x030B00F0,
            "executable": "",
            "modules": {},
            "stdout": stream,
            "stderr": stream,
            **functions(exit=leave),
        },
        {"stdin": "ask on the command line: NAME=VALUE", "exc_info": "use `except Error as e`"},
    )


def platform_module(machine: Machine) -> Facade:
    """`platform`."""
    system, node, release, version, hardware = machine.host.uname
    answers = {"system": system, "node": node, "release": release, "version": version, "machine": hardware}

    def answer(value: str) -> Callable[..., Value]:
        return lambda machine: value

    return Facade("platform", functions(**{name: answer(value) for name, value in answers.items()}))


def socket_module(machine: Machine) -> Facade:
    """`socket`: names and addresses as text; nothing here talks to the network."""
    from domus.config.evaluator.addresses import number_of, quad_of

    def refuse(machine: Machine, *arguments: Value, **keywords: Value) -> Value:
        raise Refused("configuration files may not use the network", _USE_VARIABLES)

    return Facade(
        "socket",
        {
            "error": OSError,
            "gaierror": OSError,
            **functions(
                gethostname=lambda machine: machine.host.name,
                getfqdn=lambda machine, name="": name or machine.host.name,
                gethostbyname=refuse,
                getaddrinfo=refuse,
                socket=refuse,
                create_connection=refuse,
                inet_aton=lambda machine, address: number_of(address),
                inet_ntoa=lambda machine, number: quad_of(number),
            ),
        },
    )


def time_module(machine: Machine) -> Facade:
    """`time`."""
    import time

    def strftime(machine: Machine, pattern: str, *when: Value) -> Value:
        if len(pattern) > 200:
            raise ValueError("the format is too long")
        return time.strftime(pattern)

    return Facade(
        "time",
        functions(time=lambda machine: time.time(), strftime=strftime, ctime=lambda machine: time.ctime()),
        {"sleep": "configuration files do not wait"},
    )


def _path(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError("a path must be a string")
    return value


def _home(home: str, path: str) -> str:
    return home + path[1:] if path == "~" or path.startswith("~/") else path
