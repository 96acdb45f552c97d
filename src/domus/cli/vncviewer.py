"""`xm vncviewer`, and the displays of `xm create --vncviewer` and `xm start --vncviewer`.

A port on this machine's loopback leads through xend to the domain's VNC server, wherever the host is. The
user's own viewer is started for it, and when it ends, so do we.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from domus.model.errors import DomusError, HostProblem
from domus.programs import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.cli.options import Call
    from domus.client import Client
    from domus.client.console import ConsoleStream
    from domus.model.display import Display

#: ports that viewers know as displays 0 to 59; another one if all are taken
_PORTS: Final = range(5900, 5960)

_PIECE: Final = 64 << 10  #: bytes taken from a viewer at once


@dataclass(frozen=True)
class Start:
    """How a viewer is started."""

    argv: list[str]
    env: dict[str, str]
    stdin: bytes = b""


def run(call: Call) -> int:
    """`xm vncviewer [--vncviewer-autopass] [--print] DOM`."""
    if len(call.words) != 1:
        raise call.wrong("'xm vncviewer' requires 1 arguments.")
    display = call.client.display(call.words[0])
    viewer = None if call.has("print") else find_viewer()
    autopass = call.has("vncviewer-autopass")
    server = _listen()
    port = int(server.getsockname()[1])
    if display.password and not (viewer and autopass):
        print(f"The password of {display.domain}'s display is {display.password}", file=sys.stderr)
    if viewer is None:
        print(f"127.0.0.1:{port}", flush=True)
        with suppress(KeyboardInterrupt):
            _serve(server, call.client, display)
        return 0
    serving = threading.Thread(target=_serve, args=(server, call.client, display), daemon=True)
    serving.start()
    with TemporaryDirectory(prefix="xm-vncviewer-") as folder:
        how = VIEWERS[Path(viewer).name](viewer, port, display.password if autopass else "", Path(folder))
        return _view(how)


def find_viewer() -> str:
    """The path of the viewer that is installed here.

    Raises:
        HostProblem: none of those that are known is.
    """
    for name in VIEWERS:
        if (path := shutil.which(name)) is not None:
            return path
    raise HostProblem(
        "no VNC viewer is installed here",
        hint=f"install one of {', '.join(VIEWERS)}; 'xm vncviewer --print' shows where any other connects",
    )


def start_beside(call: Call, name: str) -> None:
    """Open a viewer for a domain and go on; it ends by itself."""
    host = [] if call.host is None else ["--host", call.host]
    autopass = ["--vncviewer-autopass"] if call.has("vncviewer-autopass") else []
    start(
        [sys.executable, "-m", "domus.cli", *host, "vncviewer", *autopass, "--", name],
        stdout=subprocess.DEVNULL,
        own_session=True,
    )


def is_asked_for(call: Call) -> bool:
    """The command line asks for a viewer.

    Raises:
        HostProblem: and there is none: before anything is started.
    """
    asked = call.has("vncviewer") or call.has("vncviewer-autopass")
    if asked:
        find_viewer()
    return asked


def _view(how: Start) -> int:
    """Run the viewer to its end, and return its exit status."""
    with start(how.argv, stdin=subprocess.PIPE, env=how.env) as viewer:
        try:
            with suppress(BrokenPipeError):
                viewer.communicate(how.stdin)
        except KeyboardInterrupt:
            viewer.terminate()
    return 0 if viewer.returncode == 0 else 1


# Viewers


def _tigervnc(program: str, port: int, password: str, folder: Path) -> Start:
    # vncviewer(1) of TigerVNC: VNC_PASSWORD; "::" is followed by a port.
    return Start([program, f"127.0.0.1::{port}"], {"VNC_PASSWORD": password} if password else {})


def _tightvnc(program: str, port: int, password: str, folder: Path) -> Start:
    autopass = ["-autopass"] if password else []  # it reads the password from its standard input
    return Start(
        [program, *autopass, f"127.0.0.1::{port}"], {}, f"{password}\n".encode() if password else b""
    )


def _virt_viewer(program: str, port: int, password: str, folder: Path) -> Start:
    if not password:
        return Start([program, f"vnc://127.0.0.1:{port}"], {})
    # The folder is open to its owner alone.
    note = folder / "display.vv"
    note.write_text(f"[virt-viewer]\ntype=vnc\nhost=127.0.0.1\nport={port}\npassword={password}\n")
    return Start([program, str(note)], {})


def _gtk_vnc(program: str, port: int, password: str, folder: Path) -> Start:
    return Start([program, f"127.0.0.1:{port - 5900}"], {})  # it asks for a password by itself


#: viewers by the names of their programs, the first that is installed is taken
VIEWERS: Final[dict[str, Callable[[str, int, str, Path], Start]]] = {
    "xtigervncviewer": _tigervnc,
    "vncviewer": _tigervnc,
    "xtightvncviewer": _tightvnc,
    "remote-viewer": _virt_viewer,
    "gvncviewer": _gtk_vnc,
}


# The way to the display


def _listen() -> socket.socket:
    server = socket.socket()
    for port in (*_PORTS, 0):
        with suppress(OSError):
            server.bind(("127.0.0.1", port))
            break
    server.listen()
    return server


def _serve(server: socket.socket, client: Client, display: Display) -> None:
    """Join every viewer that connects with the display."""
    while True:
        viewer, _ = server.accept()
        if not is_own(viewer):
            viewer.close()
            print("Error: another user of this machine was kept from the display", file=sys.stderr)
            continue
        try:
            stream = client.display_stream(str(display.domid))
        except DomusError as error:
            viewer.close()
            print(f"Error: {error.for_user()}", file=sys.stderr)
            continue
        threading.Thread(target=_join, args=(stream, viewer), daemon=True).start()


def is_own(viewer: socket.socket) -> bool:
    """Whether the program at the other end of a connection on the loopback is this user's."""
    host = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"
    there, here = (f"{host}:{name[1]:04X}" for name in (viewer.getpeername(), viewer.getsockname()))
    # proc_pid_net(5), /proc/net/tcp: the second and third words are the addresses, the eighth is the user.
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
    return any(row[1:3] == [there, here] and row[7] == str(os.getuid()) for row in rows)


def _join(stream: ConsoleStream, viewer: socket.socket) -> None:
    with stream, viewer:
        try:
            while _carried(stream, viewer):
                pass
        except ConnectionError:
            pass  # the viewer went in the middle of a picture
        except DomusError as error:
            print(f"Error: {error.for_user()}", file=sys.stderr)


def _carried(stream: ConsoleStream, viewer: socket.socket) -> bool:
    """Carry what there is in both directions, and wait for more; False: one side has ended."""
    shown = stream.receive(0)
    if shown == b"":
        return False
    if shown:
        viewer.sendall(shown)
    behind = stream.wants_write
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLIN | (select.POLLOUT if behind else 0))
    if not behind:
        poll.register(viewer, select.POLLIN)
    if viewer.fileno() in {descriptor for descriptor, _ in poll.poll()}:
        typed = viewer.recv(_PIECE)
        if not typed:
            return False
        stream.send(typed)
    return True
