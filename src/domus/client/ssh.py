"""The xend of another host through ssh: `ssh [USER@]HOST xm serve` carries the API.

Keys, known hosts and jumps are ssh's own business: what `ssh HOST` can reach, xm can, without certificates.
"""

from __future__ import annotations

import re
import socket
import subprocess
from typing import Final

from domus.client.conversation import SocketConversation
from domus.model.errors import BadInput, Unreachable
from domus.programs import start

SCHEME: Final = "ssh://"

#: nothing that ssh could take for an option
_ADDRESS: Final = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.\-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.\-]*|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)


class SshPeer:
    """One xend, each connection to it an ssh of its own."""

    host: Final = "localhost"
    key: Final = ""

    def __init__(self, url: str) -> None:
        matched = _ADDRESS.fullmatch(url.removeprefix(SCHEME))
        if matched is None:
            raise BadInput(f"invalid address {url!r}", hint="ssh://[USER@]HOST[:PORT]")
        self.url = url
        port = ["-p", matched["port"]] if matched["port"] else []
        where = matched["host"].strip("[]")
        target = f"{matched['user']}@{where}" if matched["user"] else where
        self.argv = ["ssh", "-T", *port, "--", target, "xm", "serve"]

    def __repr__(self) -> str:
        return self.url

    def connect(self) -> socket.socket:
        """A connected socket; what ssh has to say, it says on standard error.

        Raises:
            ProgramFailed: there is no ssh.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = start(self.argv, stdin=theirs.fileno(), stdout=theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return _Carried(ours, process)

    def converse(self, *, within: float) -> SocketConversation:
        """As `connect`."""
        return SocketConversation(self.connect(), within=within)

    def explain(self, error: OSError) -> Unreachable | None:
        """Nothing can be proven of what ssh did."""
        return None


class _Carried(socket.socket):
    """A socket whose other end an ssh has; closing it ends the ssh."""

    def __init__(self, ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
        super().__init__(ours.family, ours.type, ours.proto, fileno=ours.detach())
        self._process = process

    def close(self) -> None:
        """Hang up."""
        super().close()
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
