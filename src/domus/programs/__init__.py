"""The one door through which programs are started: `run` and `arun`, always argument lists, no shell.

from domus.programs import run
text = run(["qemu-img", "info", "--output=json", path]).stdout
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from domus.model.errors import ProgramFailed

if TYPE_CHECKING:
    import asyncio

Argument = str | Path


@dataclass(frozen=True)
class Finished:
    """A program that ended; the texts are empty where its output went elsewhere."""

    argv: tuple[str, ...]
    status: int  #: its exit status, negative for the signal that ended it
    stdout: str
    stderr: str


def paste(argv: Sequence[Argument]) -> str:
    """The command line as one can paste it into a shell."""
    return shlex.join(str(word) for word in argv)


def run(
    argv: Sequence[Argument],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    within: float | None = None,
) -> Finished:
    """Run a program to its end and return what it printed.

    Args:
        argv: the program and its arguments; the first is looked up in PATH.
        stdin: text it reads; None: it reads nothing.
        env: variables added to our own environment.
        check: raise when it fails.
        within: seconds after which it is killed.

    Raises:
        ProgramFailed: it could not be started, failed (with `check`), or took too long.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(env),
            cwd=cwd,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"{words[0]} did not end within {within:g} s", hint=paste(words)) from None
    except OSError as error:
        raise not_started(words, error) from error
    finished = Finished(tuple(words), done.returncode, done.stdout, done.stderr)
    if check and done.returncode:
        raise failure(finished)
    return finished


async def arun(
    argv: Sequence[Argument],
    *,
    stdin: str | None = None,
    check: bool = True,
    within: float | None = None,
) -> Finished:
    """`run` for the event loop; on cancellation the program is killed and waited for."""
    import asyncio  # a quarter of what a short xm command takes, and only xend has a loop

    words = [str(word) for word in argv]
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise not_started(words, error) from error
    try:
        async with asyncio.timeout(within):
            out, err = await process.communicate(None if stdin is None else stdin.encode())
    except BaseException as error:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
        if isinstance(error, TimeoutError):
            raise ProgramFailed(f"{words[0]} did not end within {within:g} s", hint=paste(words)) from None
        raise
    status = process.returncode
    assert status is not None  # noqa: S101 - communicate() has waited for it
    finished = Finished(tuple(words), status, out.decode(errors="replace"), err.decode(errors="replace"))
    if check and status:
        raise failure(finished)
    return finished


async def arun_as(
    argv: Sequence[Argument],
    *,
    user: int,
    group: int,
    stdin: bytes,
    env: Mapping[str, str],
    within: float,
    limit: int,
) -> Finished:
    """Run a program of somebody else's as another user: with this environment alone, and within bounds.

    Args:
        user: its uid; `group` its gid, and its only group.
        env: all of its environment.
        within: seconds after which it is killed, with all that it started in its session.
        limit: bytes of its output, of both kinds together, that are returned; the rest is dropped.

    Raises:
        ProgramFailed: it could not be started, or took too long. How it ended is in `Finished.status`.
    """
    import asyncio  # as above

    words = [str(word) for word in argv]
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd="/",
            user=user,
            group=group,
            extra_groups=(),
            umask=0o077,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = error if isinstance(error, OSError) else OSError(0, str(error))
        raise not_started(words, reason) from error
    try:
        async with asyncio.timeout(within):
            out = await _conversation(process, stdin, limit)
            status = await process.wait()
    except TimeoutError:
        raise ProgramFailed(f"{words[0]} did not end within {within:g} s", hint=paste(words)) from None
    finally:
        # Whoever it has started and left behind goes, too.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
    return Finished(tuple(words), status, out.decode(errors="replace"), "")


async def _conversation(process: asyncio.subprocess.Process, stdin: bytes, limit: int) -> bytes:
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()
    out = bytearray()
    while piece := await process.stdout.read(65536):
        out += piece[: max(0, limit - len(out))]
    return bytes(out)


def start(
    argv: Sequence[Argument],
    *,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    own_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program and return at once; who starts it ends it, as a `with` block does.

    Args:
        own_session: detach it from our terminal, so that Ctrl-C does not reach it.

    Raises:
        ProgramFailed: it could not be started.
    """
    words = [str(word) for word in argv]
    try:
        return subprocess.Popen(
            words,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=_environment(env),
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            start_new_session=own_session,
        )
    except OSError as error:
        raise not_started(words, error) from error


def failure(finished: Finished) -> ProgramFailed:
    """The error for a program that ended badly: how it ended, its last line, and the line to paste."""
    lines = [line for line in (finished.stderr or finished.stdout).splitlines() if line.strip()]
    said = f": {lines[-1].strip()}" if lines else ""
    return ProgramFailed(
        f"{finished.argv[0]} {_ending(finished.status)}{said}", hint=f"run it by hand: {paste(finished.argv)}"
    )


def not_started(words: Sequence[str], error: OSError) -> ProgramFailed:
    """The error for a program that could not be started."""
    if isinstance(error, FileNotFoundError):
        return ProgramFailed(f"{words[0]} is not installed", hint=paste(words))
    return ProgramFailed(f"{words[0]} could not be started: {error.strerror}", hint=paste(words))


def _ending(status: int) -> str:
    if status >= 0:
        return f"failed with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _environment(extra: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if extra is None else {**os.environ, **extra}
