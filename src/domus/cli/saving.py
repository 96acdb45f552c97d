"""`xm save`, `xm restore` and `xm dump-core`: domains into files of the host, and back; `xm reset`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from domus.cli.carry_out import carry_out
from domus.cli.privileged import DOM0_NAMES, refuse_dom0
from domus.model.api import DumpRequest, SaveFormat
from domus.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from domus.cli.options import Call

_UNREADABLE: Final = "can't read guest state file"


def save(call: Call) -> int:
    """`xm save [-c] [--xl] DOM FILE`: silent, and over when the file is on disk."""
    name, path = _two_words(call)
    if name in DOM0_NAMES:
        raise call.wrong(f"Cannot save privileged domain {name}")
    path = _host_path(call, path)
    if call.target.shares_files and not os.access(os.path.dirname(path), os.W_OK):  # noqa: PTH120
        raise BadInput(f"xm save: Unable to create file {path}")
    file_format = SaveFormat.XL if call.has("xl") else SaveFormat.DOMUS
    client = call.client
    carry_out(
        client,
        lambda: client.saving.save(name, path, checkpoint=call.has("checkpoint"), file_format=file_format),
        undone=f"domain {name} runs on, and there is no {path}",
    )
    return 0


def restore(call: Call) -> int:
    """`xm restore FILE [-p]`: silent, and over when the domain runs, or is paused."""
    if len(call.words) != 1:
        raise call.wrong("Wrong number of parameters")
    path = _host_path(call, call.words[0])
    client = call.client
    try:
        carry_out(
            client,
            lambda: client.saving.restore(path, paused=call.has("paused")),
            undone="nothing is left of the domain, the file is as it was",
        )
    except (NotFound, BadInput) as error:
        if not error.what.startswith(_UNREADABLE):
            raise
        reason = error.what.rpartition(": ")[2]
        raise type(error)(f"xm restore: Unable to read file {path}", hint=reason) from None
    return 0


def dump_core(call: Call) -> int:
    """`xm dump-core [-L] [-C|-R] DOM [FILE]`."""
    if call.has("crash") and call.has("reset"):
        raise BadInput("You may not specify more than one '-CR' option")
    if len(call.words) not in (1, 2):
        raise BadInput("Expects 1 or 2 argument(s)")
    name = call.words[0]
    if name in DOM0_NAMES:
        raise call.wrong(f"Cannot dump core for privileged domain {name}")
    path = _host_path(call, call.words[1]) if len(call.words) == 2 else ""
    request = DumpRequest(path=path, live=call.has("live"), crash=call.has("crash"), reset=call.has("reset"))
    print(f"Dumping core of domain: {name} ...", flush=True)
    client = call.client
    carry_out(
        client,
        lambda: client.saving.dump_core(name, request),
        undone=f"domain {name} goes on, and there is no core file",
    )
    return 0


def suspend(call: Call) -> int:
    """`xm suspend DOM`: silent, and over when its memory is on disk."""
    name = refuse_dom0(call, "suspend")
    client = call.client
    carry_out(client, lambda: client.saving.suspend(name), undone=f"domain {name} runs on")
    return 0


def resume(call: Call) -> int:
    """`xm resume [-p] DOM`: silent, and over when it runs, or is paused."""
    name = refuse_dom0(call, "resume")
    client = call.client
    carry_out(
        client,
        lambda: client.saving.resume(name, paused=call.has("paused")),
        undone=f"domain {name} stays suspended",
    )
    return 0


def reset(call: Call) -> int:
    """`xm reset DOM`: silent, and over when it runs again."""
    name = refuse_dom0(call, "reset")
    client = call.client
    carry_out(client, lambda: client.saving.reset(name), undone=f"domain {name} was not reset")
    return 0


def _two_words(call: Call) -> tuple[str, str]:
    if len(call.words) != 2:
        raise call.wrong("Wrong number of parameters")
    return call.words[0], call.words[1]


def _host_path(call: Call, name: str) -> str:
    """A file's absolute path on the host of the call, as xm made it."""
    if call.target.shares_files:
        return os.path.abspath(name)  # noqa: PTH100 - pathlib costs 5 ms
    if not name.startswith("/"):
        raise BadInput(f"{name} is a file of the host's: give its absolute path")
    return name
