"""How a failure reaches the user: one line on stderr, the usage where xm has it, the exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from domus.cli.options import UsageError, not_yet
from domus.model.errors import DomusError, Gone, Internal, Unreachable

if TYPE_CHECKING:
    from domus.cli.command import Command
    from domus.config.problems import Finding

INTERRUPTED: Final = 130  #: as a shell reports a process that SIGINT ended
_BROKEN_PIPE: Final = 141  #: as a shell reports a process that SIGPIPE ended


def report(error: BaseException, *, debug: bool) -> int:
    """Tell the user what went wrong; returns the exit code."""
    if debug and not isinstance(error, (KeyboardInterrupt, BrokenPipeError)):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):
        _abandon_stdout()
        return _BROKEN_PIPE
    try:
        sys.stdout.flush()
    except OSError as full:
        _abandon_stdout()
        error = error if isinstance(error, DomusError) else full
    try:
        return _told(error)
    except BrokenPipeError:
        _abandon_stdout()
        return getattr(error, "exit_code", 1)


def not_here(command: Command) -> DomusError:
    """The error for a subcommand that this version, or Xen, does not have."""
    if command.gone:
        return Gone(f"'xm {command.name}' is not available: {command.gone}")
    return not_yet(command.name)


def log_to_stderr() -> None:
    """What `--debug` shows beside tracebacks: every log line of Domus, and what `-v` shows."""
    import logging

    logging.basicConfig(level=logging.DEBUG, format="%(relativeCreated)7.0f ms %(name)s: %(message)s")
    tell_requests()


def tell_requests() -> None:
    """What `-v` shows: what is asked of which host, and how long the answer takes."""
    from domus.client.calls import Calls

    def tell(line: str) -> None:
        from domus.cli.colours import painted

        print(painted(line, "dim", sys.stderr), file=sys.stderr, flush=True)

    Calls.tell = tell


def _told(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        if sys.stderr.isatty():
            sys.stderr.write("\n")  # the terminal has just echoed ^C
        return INTERRUPTED
    if isinstance(error, OSError) and not isinstance(error, DomusError):
        place = f"{error.filename}: " if error.filename else ""
        return _line(f"{place}{error.strerror or error}", 1)
    if not isinstance(error, DomusError):
        error = Internal(
            f"a mistake within xm: {type(error).__name__}: {error}",
            hint="the same command after 'xm --debug' shows where; please report it",
        )
    for text in lines_for(error):
        print(_coloured(text), file=sys.stderr)
    if isinstance(error, Unreachable) and not error.hint and sys.stderr.isatty():
        print("'xm doctor' examines the host, and this machine.", file=sys.stderr)
    sys.stderr.flush()
    if isinstance(error, UsageError):
        _usage(error)
    return error.exit_code


def lines_for(error: DomusError) -> list[str]:
    """What is said about an error: one line, or one for each problem of a configuration with its place."""
    problems: tuple[Finding, ...] = getattr(error, "problems", ())  # only InvalidConfig has them
    if not problems:
        return [f"Error: {error.for_user()}"]
    return [line for problem in problems for line in lines_for_finding(problem)]


def lines_for_finding(problem: Finding) -> list[str]:
    """A problem of a configuration, with the line of the file below it and the place in that line."""
    return [f"Error: {problem}", *(f"    {line}" for line in problem.excerpt().splitlines())]


def _coloured(line: str) -> str:
    """The line with its first word in red, where standard error is a terminal."""
    word, colon, rest = line.partition(":")
    if word != "Error" or not sys.stderr.isatty():
        return line
    from domus.cli.colours import painted

    return f"{painted(word + colon, 'bold red', sys.stderr)}{rest}"


def _line(text: str, status: int) -> int:
    print(_coloured(f"Error: {text}"), file=sys.stderr, flush=True)
    return status


def _usage(error: UsageError) -> None:
    if error.gap:
        print(file=sys.stderr, flush=True)
    if error.command is not None:
        from domus.cli.help import usage

        sys.stdout.write(usage(error.command))
        sys.stdout.flush()


def _abandon_stdout() -> None:
    """Send what is still buffered nowhere, so that Python's own flush at exit cannot fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
