"""Where xend's log goes: to the journal or the terminal, and to a bounded file for `xm log`."""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

#: bytes of one log file, and how many older ones stay: what the old xend kept
FILE_LIMIT: Final = 1 << 20
OLD_FILES: Final = 5

# sd-daemon(3): a line's priority in front of it, when standard error is the journal
_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}

# The old xend's: [YYYY-MM-DD HH:MM:SS PID] LEVEL (module:line) text
_FILE_FORMAT: Final = "[%(asctime)s %(process)d] %(levelname)s (%(module)s:%(lineno)d) %(message)s"

# Some of what is logged comes from guests and callers: nothing of it may move a terminal's cursor.
_VISIBLE: Final = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
}


class Lines(logging.Formatter):
    """A record as one line, its traceback indented below."""

    def format(self, record: logging.LogRecord) -> str:
        """The text, with control characters made visible."""
        return super().format(record).translate(_VISIBLE).replace("\n", "\n\t")


class JournalLines(Lines):
    """The same with a priority in front of each line; time and process are the journal's business."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The text."""
        mark = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return mark + super().format(record).replace("\n", f"\n{mark}")


def open_logs(*, level: str, directory: Path | None) -> Path | None:
    """Send all logging to standard error and, if possible, to a file.

    Args:
        level: "debug", "info", "warning" or "error".
        directory: where xend.log is kept; None: no file.

    Returns:
        The file, None when there is none.
    """
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(
        JournalLines()
        if stderr_is_journal()
        else Lines("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers = [terminal]
    root.setLevel(level.upper())
    if directory is None:
        return None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        kept = RotatingFileHandler(directory / "xend.log", maxBytes=FILE_LIMIT, backupCount=OLD_FILES)
    except OSError as error:
        root.warning("no log file in %s: %s", directory, error.strerror)
        return None
    kept.setFormatter(Lines(_FILE_FORMAT, "%Y-%m-%d %H:%M:%S"))
    root.addHandler(kept)
    return Path(kept.baseFilename)


def stderr_is_journal() -> bool:
    """systemd.exec(5), $JOURNAL_STREAM: device and inode of the stream that systemd connected."""
    try:
        facts = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"
