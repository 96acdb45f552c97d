"""A domain's console at its lowest: the pseudo terminal on which xenconsoled offers it in domain 0.

What is written there the guest reads, what is read from there the guest wrote: bytes of any kind, never
to be trusted. Whoever reads takes the bytes from everybody else who reads: there should be one reader.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import termios
from typing import Final, Self

from domus.model.errors import HostProblem

# The path comes from a node of XenStore that has been writable for guests before (XSA-57).
_PTY: Final = re.compile(r"/dev/pts/[0-9]+")

#: majors of the kernel's UNIX98 pseudo terminals (Linux Documentation/admin-guide/devices.txt)
_PTY_MAJORS: Final = range(136, 144)

_READ_SIZE: Final = 4096


class ConsolePty:
    """An open console: raw, non-blocking, for an event loop to wait on (`fileno`).

    with ConsolePty.open(tty) as console:
        console.write(b"\\n")
        console.read()
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, path: str) -> Self:
        """Open the pseudo terminal that `Libxl.console_tty` names.

        Raises:
            HostProblem: it is no pseudo terminal, or has gone.
        """
        if not _PTY.fullmatch(path):
            raise HostProblem(f"a domain's console is said to be on {path[:60]!r}, which is not a terminal")
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise HostProblem(
                f"the console cannot be opened: {error.strerror}", where=path, hint="does xenconsoled run?"
            ) from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISCHR(status.st_mode) or os.major(status.st_rdev) not in _PTY_MAJORS:
                raise HostProblem("the console is not on a terminal", where=path)
            make_raw(fd)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    def fileno(self) -> int:
        """The descriptor, for waiting; -1 once closed."""
        return self._fd

    def read(self) -> bytes | None:
        """What the guest wrote; None when there is nothing now, b"" when the console has ended."""
        try:
            return os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:
            # What a terminal says when its other end, xenconsoled, has let go.
            if error.errno == errno.EIO:
                return b""
            raise

    def write(self, data: bytes) -> int:
        """Type into the console; returns how many bytes went, 0 when the guest reads too slowly."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:
                raise HostProblem("the console has ended") from error
            raise

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_raw(fd: int) -> None:
    """Let every byte pass a terminal unchanged, in both directions, without echo (cfmakeraw(3))."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = termios.tcgetattr(fd)
    iflag &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    oflag &= ~termios.OPOST
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, characters])
