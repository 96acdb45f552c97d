"""The lab's hand in dom0: runs commands there, and gives a freshly started host its identity.

It listens on the virtio-serial ports that QEMU gives the host; on the other side each is a UNIX socket
in the lab's own folder, so that who may open that may act here. Only lab hosts have it: on a server
nothing of this runs.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path
from typing import Any, Final

from domus.lab.frames import MAX_PAYLOAD, Broken, Greeter, Kind, Reader, pack, pieces
from domus.model.places import SOCKET_PATH

#: what a caller can be joined to
XEND: Final = SOCKET_PATH

PORTS: Final = Path("/sys/class/virtio-ports")

# linux/random.h: _IOW('R', 0x03, int[2]): add bytes to the kernel's pool and count them as entropy
_RNDADDENTROPY: Final = 0x40085203


class Session:
    """One port; one session after another."""

    def __init__(self, device: Path) -> None:
        self._device = device
        self._fd = os.open(device, os.O_RDWR | os.O_NONBLOCK)
        self.connected = threading.Event()
        self._looking = threading.Lock()

    def watch(self) -> None:
        """Have the kernel send SIGIO when the other side opens or closes the port."""
        fcntl.fcntl(self._fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self._fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)

    def look(self) -> None:
        """Note whether somebody is there (virtio_console: POLLHUP means nobody is)."""
        with self._looking:  # the answer must not be older than one that another thread noted
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            if any(event & select.POLLHUP for _, event in poll.poll(0)):
                self.connected.clear()
            else:
                self.connected.set()

    def serve(self) -> None:
        """Serve sessions for ever."""
        rest = b""
        while True:
            self.connected.wait()
            try:
                rest = self._session(Greeter(rest))
            except (OSError, ValueError, Broken):
                rest = b""
            self.look()

    def _session(self, greeter: Greeter) -> bytes:
        greeted = greeter.feed(b"")
        while greeted is None:
            greeted = greeter.feed(self._read())
        nonce, early = greeted
        self._write(nonce)
        reader = Reader()
        frames = reader.feed(early)
        while not frames:
            frames = reader.feed(self._read())
        (kind, payload), *rest = frames
        if kind is not Kind.REQUEST:
            raise Broken
        request = json.loads(payload)
        try:
            if "identity" in request:
                take_identity(request["identity"])
                self._write(pack(Kind.EXIT, b'{"status": 0}'))
            elif "files" in request:
                write_files(request["files"])
                self._write(pack(Kind.EXIT, b'{"status": 0}'))
            else:
                return self._run(request, reader, rest)
        except (OSError, KeyError, TypeError, ValueError) as error:
            self._write(pack(Kind.ERRORS, f"{error}\n".encode()))
            status = 127 if isinstance(error, FileNotFoundError) else 126
            self._write(pack(Kind.EXIT, json.dumps({"status": status}).encode()))
        return reader.take_rest()

    def _run(self, request: dict[str, Any], reader: Reader, early: list[tuple[Kind, bytes]]) -> bytes:
        program = Joined(XEND) if request.get("connect") == "xend" else Program(request)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        for fd in program.outputs:
            poll.register(fd, select.POLLIN)
        open_outputs = set(program.outputs)
        try:
            for frame in early:
                program.take(*frame)
            while open_outputs:
                for fd, event in poll.poll():
                    if fd == self._fd:
                        if event & select.POLLHUP:
                            raise Broken
                        try:
                            for frame in reader.feed(self._read()):
                                program.take(*frame)
                        except Broken:
                            # the caller went away and the next one is already greeting
                            return reader.take_rest()
                    elif data := _read_some(fd):
                        self._write(pieces(program.outputs[fd], data))
                    else:
                        poll.unregister(fd)
                        open_outputs.discard(fd)
            self._write(pack(Kind.EXIT, json.dumps({"status": program.wait()}).encode()))
        finally:
            program.end()
        return reader.take_rest()

    def _read(self) -> bytes:
        while True:
            try:
                data = os.read(self._fd, MAX_PAYLOAD)
            except BlockingIOError:
                select.select([self._fd], [], [])
                continue
            if not data:
                raise Broken
            return data

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                select.select([], [self._fd], [])


class Joined:
    """A UNIX socket to which the caller is joined, instead of a program."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self.outputs: dict[int, Kind] = {self._socket.fileno(): Kind.OUTPUT}

    def take(self, kind: Kind, payload: bytes) -> None:
        """Bytes from the caller; what the other side no longer takes is dropped."""
        if kind is Kind.INPUT:
            with contextlib.suppress(OSError):
                if payload:
                    self._socket.sendall(payload)
                else:
                    self._socket.shutdown(socket.SHUT_WR)

    def wait(self) -> int:
        """It has ended well: there is no other way to tell."""
        return 0

    def end(self) -> None:
        """Hang up."""
        self._socket.close()


class Program:
    """A program in dom0, with a terminal or with pipes."""

    def __init__(self, request: dict[str, Any]) -> None:
        argv = [str(word) for word in request["run"]]
        env = {**os.environ, "HOME": "/root", "PATH": "/usr/sbin:/usr/bin", **request.get("env", {})}
        size = request.get("tty")
        self.outputs: dict[int, Kind] = {}
        if size:
            self._terminal, inner = pty.openpty()
            _set_size(self._terminal, size)
            self._process = subprocess.Popen(
                argv,
                stdin=inner,
                stdout=inner,
                stderr=inner,
                env=env,
                cwd="/root",
                start_new_session=True,
                preexec_fn=_own_terminal,
            )
            os.close(inner)
            self._input = os.dup(self._terminal)
            self.outputs[self._terminal] = Kind.OUTPUT
        else:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd="/",
                start_new_session=True,
            )
            assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101
            self._input = self._process.stdin.fileno()
            self.outputs[self._process.stdout.fileno()] = Kind.OUTPUT
            self.outputs[self._process.stderr.fileno()] = Kind.ERRORS

    def take(self, kind: Kind, payload: bytes) -> None:
        """What the caller sent: input, a new terminal size, or a signal."""
        if kind is Kind.INPUT:
            self._feed(payload)
        elif kind is Kind.SIZE and self._process.stdin is None:
            _set_size(self._terminal, json.loads(payload))
        elif kind is Kind.SIGNAL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, int(payload))

    def wait(self) -> int:
        """Its exit status, 128 + signal when it was killed, as a shell has it."""
        status = self._process.wait()
        return status if status >= 0 else 128 - status

    def end(self) -> None:
        """Leave nothing of it behind: the caller is gone or has its answer."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._process.stdin is None:
            os.close(self._terminal)
            os.close(self._input)

    def _feed(self, payload: bytes) -> None:
        if not payload:
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            return
        try:
            view = memoryview(payload)
            while view:
                view = view[os.write(self._input, view) :]
        except OSError:
            pass  # it closed its input: its own business


def take_identity(identity: dict[str, Any]) -> None:
    """Make this clone of the template a host of its own.

    Args:
        identity: `time` (s since the epoch), `entropy` (base64), `hostname`, `files` (see `write_files`),
            `commands` (argument lists), `reload` (pid files to send SIGHUP).
    """
    time.clock_settime(time.CLOCK_REALTIME, float(identity["time"]))
    entropy = base64.b64decode(identity["entropy"])
    with Path("/dev/random").open("wb", buffering=0) as pool:
        fcntl.ioctl(
            pool, _RNDADDENTROPY, struct.pack(f"ii{len(entropy)}s", 8 * len(entropy), len(entropy), entropy)
        )
    socket.sethostname(identity["hostname"])
    write_files(identity["files"])
    for argv in identity["commands"]:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")
    for name in identity["reload"]:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(Path(name).read_text()), signal.SIGHUP)


def write_files(files: dict[str, str]) -> None:
    """Write texts to paths; whoever reads one sees the old or the new. Keys are readable by root only."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text)
        part.chmod(0o600 if path.suffix == ".key" else 0o644)
        part.rename(path)


def main() -> None:
    """Serve every port of the lab for ever."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
    sessions = []
    for port in sorted(PORTS.iterdir()):
        if (port / "name").read_text().startswith("domus.lab."):
            sessions.append(Session(Path("/dev") / port.name))
    for session in sessions:
        session.watch()
        threading.Thread(target=session.serve, daemon=True).start()
    while True:
        for session in sessions:
            session.look()
        signal.sigwait({signal.SIGIO})


def _read_some(fd: int) -> bytes:
    try:
        return os.read(fd, MAX_PAYLOAD)
    except OSError:
        return b""  # a terminal whose last program ended answers EIO


def _set_size(terminal: int, size: list[int]) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


if __name__ == "__main__":
    main()
