"""`xm cpupool-create` and `xm cpupool-new`: from a configuration file to a cpupool."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.cpupool import CpupoolConfig

SEARCH_PATH: Final = ".:/etc/xen/cpupool"

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)

#: what `cpupool-create` and `-new` exited with when a configuration was wrong; xm's own -1
_WRONG_CONFIG: Final = 255


def create(call: Call) -> int:
    """`xm cpupool-create [CONFIGFILE] [options] [NAME=VALUE ...]`."""
    return _make(call, managed=False)


def new(call: Call) -> int:
    """`xm cpupool-new [CONFIGFILE] [options] [NAME=VALUE ...]`."""
    return _make(call, managed=True)


def _make(call: Call, *, managed: bool) -> int:
    if call.has("help_config"):
        from domus.config.cpupool import VARIABLES

        for name, meaning in VARIABLES.items():
            print(f"{name:<14} {meaning}")
        return 0
    from domus.model.errors import ConfigError

    try:
        config = _read(call)
    except ConfigError as error:
        from domus.cli.failure import report

        report(error, debug=call.debug)
        return _WRONG_CONFIG
    if call.has("dryrun"):
        _print(call, config)
        return 0
    made = call.client.cpupools.create(config, managed=managed)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(made))
    elif not managed:
        # What xl prints.
        print(f"cpupool name:   {made.name}")
        print(f"scheduler:      {made.scheduler}")
        print(f"number of cpus: {len(made.cpus)}")
    return 0


def _print(call: Call, config: CpupoolConfig) -> None:
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(config))
    else:
        from domus.config.cpupool import write_sxp

        sys.stdout.write(write_sxp(config))


def _read(call: Call) -> CpupoolConfig:
    """The cpupool that the files and variables of the command line describe.

    Raises:
        UsageError: two files are named, or the file is nowhere.
        ConfigError: with everything that is wrong in it.
    """
    from domus.config import cpupool

    files = call.values("defconfig")
    variables: dict[str, str] = {}
    for word in call.words:
        if _VARIABLE.match(word):
            name, _, value = word.partition("=")
            variables[name] = value
        else:
            files.append(word)
    if call.has("config"):
        files = [*files, *call.values("config")]
    if len(files) > 1:
        raise call.wrong(f"one configuration file, not {len(files)}: {', '.join(files)}")
    if not files:
        if not variables:
            raise call.wrong("No configuration file and no variables are given.")
        return cpupool.from_variables(variables)
    path = _find(call, files[0])
    announced = sys.stderr if call.has("json") else sys.stdout
    print(f'Using config file "{path}".', file=announced, flush=True)
    return cpupool.load_sxp(Path(path)) if call.has("config") else cpupool.load(Path(path), variables)


def _find(call: Call, name: str) -> str:
    from domus.cli.configfile import find, hint_for

    search_path = call.value("path", SEARCH_PATH)
    path = find(name, search_path)
    if path is None:
        raise call.wrong(f"Unable to open config file: {name}", hint=hint_for(name, search_path))
    return path
