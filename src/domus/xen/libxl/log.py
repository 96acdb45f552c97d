"""libxl's log: each call's lines go to Python's logging, and its errors into the exception.

libxl forks children that go on in its own code and may log there (the one that takes a domain away,
for example). A log callback in Python would then want the interpreter's lock in a process in which
nobody is left to release it, and hang for ever. So the logger is libxentoollog's own, in C, and writes
to an anonymous file, which is read when the call returns.
"""

from __future__ import annotations

import logging
import os
import re
from typing import Final, NamedTuple

from domus.model.errors import HostProblem
from domus.xen.libxl.abi import XTL_DEBUG, XTL_INFO, XTL_STDIOSTREAM_HIDE_PROGRESS, Library

_log: Final = logging.getLogger("domus.libxl")

#: bytes of one call's log that are read; what is beyond is dropped
_READ_MAX: Final = 256 * 1024

# Names from tools/libs/toollog/xtl_core.c
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "verbose": logging.DEBUG,
    "detail": logging.DEBUG,
    "progress": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
# "libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: Domain 2:..."
# (tools/libs/toollog/xtl_logger_stdio.c)
_LINE: Final = re.compile(rf"(?:(?P<context>\w+): )?(?P<level>{'|'.join(_LEVELS)}): (?P<text>.*)")
_PLACE: Final = re.compile(r"(?:panic: )?[\w.-]+\.c:\d+:(?:\w+:)? ")


class Line(NamedTuple):
    """One message of libxl's."""

    level: int  #: as in `logging`
    context: str  #: who logged: "libxl", "xc"; may be empty
    text: str

    @property
    def message(self) -> str:
        """The text without the place in libxl's source."""
        return _PLACE.sub("", self.text, count=1)


def parse(raw: bytes) -> list[Line]:
    """The messages in what the logger wrote; a line that begins none continues the one before.

    Characters that do not print become "?": some of the text comes from guests' names and programs.
    """
    lines: list[Line] = []
    for text in raw.decode("utf-8", errors="replace").split("\n"):
        shown = "".join(character if character.isprintable() else "?" for character in text).strip()
        if match := _LINE.fullmatch(shown):
            lines.append(Line(_LEVELS[match["level"]], match["context"] or "", match["text"]))
        elif shown and lines:
            lines[-1] = lines[-1]._replace(text=f"{lines[-1].text} {shown}")
    return lines


def summary(lines: list[Line]) -> str:
    """What the errors among the lines say, in one line; empty when there are none.

    The first is usually the cause, what follows are its consequences: three are enough.
    """
    errors = [line.message for line in lines if line.level >= logging.ERROR]
    return "; ".join(list(dict.fromkeys(errors))[:3])


def publish(lines: list[Line], *, at_most: int = logging.CRITICAL) -> None:
    """Hand lines to Python's logging, at their own level but no higher than `at_most`."""
    for line in lines:
        _log.log(min(line.level, at_most), "%s: %s", line.context, line.text)


class CallLog:
    """A logger for one libxl context, which logs one call at a time.

    Raises:
        HostProblem: no memory for it.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._fd = os.memfd_create("domus-libxl-log")
        # The stream gets a descriptor of its own, in append mode: truncating moves it to the start.
        self._stream = library.fdopen(os.dup(self._fd), b"a")
        level = XTL_DEBUG if _log.isEnabledFor(logging.DEBUG) else XTL_INFO
        self.logger = library.xtl_createlogger_stdiostream(self._stream, level, XTL_STDIOSTREAM_HIDE_PROGRESS)
        if not self._stream or not self.logger:
            raise HostProblem("no memory for libxl's log")

    def take(self) -> list[Line]:
        """What was logged since the last `take`."""
        raw = os.pread(self._fd, _READ_MAX, 0)
        if not raw:
            return []
        os.ftruncate(self._fd, 0)
        return parse(raw)

    def close(self) -> None:
        """Free it; the context that logs here must be gone."""
        self._library.xtl_logger_destroy(self.logger)
        self._library.fclose(self._stream)
        os.close(self._fd)
