"""The first request of a command, on its way to the host before the rest of `xm` is imported.

It is a guess that costs nothing: the client takes the answer if its first request is this very one, and
asks itself if not, or if anything was wrong. Only requests that read are known here.
"""

from __future__ import annotations

import os

from domus.cli.here import runs_xen, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.client.conversation import Conversation

#: what a command asks first when it is called without words
FIRST = {"list": "/v1/domains", "info": "/v1/host"}

_LAB = "lab:"


def begin(arguments: Sequence[str]) -> None:
    """Send the first request of the command that `arguments` are, if it is known and the host is here."""
    words = list(arguments)
    host = os.environ.get("XM_HOST", "")
    if len(words) > 1 and words[0] == "--host":
        host, words = words[1], words[2:]
    if not words or words[0] not in FIRST or not all(_is_option(word) for word in words[1:]):
        return
    target = FIRST[words[0]]
    try:
        _send(host, target)
    except OSError:
        pass  # no such host, or it does not run: the command finds out itself, and says so


def _is_option(word: str) -> bool:
    return word.startswith("-") and word not in ("-h", "--help")


def _send(host: str, target: str) -> None:
    from domus.client import early
    from domus.client.conversation import ANSWER_WITHIN
    from domus.client.requests import head

    if host == "local" or (not host and runs_xen()):
        import socket

        from domus.client.conversation import SocketConversation

        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(socket_path())
        conversation: Conversation = SocketConversation(connection, within=ANSWER_WITHIN)
        conversation.send(head("GET", target, host="localhost"))
        early.put(socket_path(), target, conversation)
        return
    from domus.lab import DEFAULT_NAME, line
    from domus.lab.api_line import ApiLine
    from domus.lab.paths import host_folder

    name = host.removeprefix(_LAB) or DEFAULT_NAME
    if "/" in name:
        return
    free = line.take(host_folder(name))
    if free is not None:
        request = head("GET", target, host=name)
        early.put(host_folder(name), target, ApiLine(free, request, within=ANSWER_WITHIN))
