"""mmdebstrap, followed: what it is at, and what was wrong when it fails."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence

from domus.model.errors import ProgramFailed
from domus.programs import Argument, paste, start
from domus.storage.images.names import Report


def follow(
    argv: Sequence[Argument],
    steps: Sequence[tuple[str, str, float]],
    report: Report,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run mmdebstrap to its end, telling how it gets on.

    Args:
        steps: parts of its lines, what they mean, and which share of the work is done when they appear.

    Raises:
        ProgramFailed: it failed; with its first error.
    """
    started = time.monotonic()
    process = start(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    said: deque[str] = deque(maxlen=200)
    try:
        assert process.stderr is not None  # noqa: S101 - asked for above
        for raw in process.stderr:
            line = raw.decode(errors="replace").strip()
            said.append(line)
            for key, step, share in steps:
                if key in line:
                    report(step, share)
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        errors = (
            [line for line in said if line.startswith(("E: ", "Err:", "dpkg: error"))]
            or list(said)[-1:]
            or ["no output"]
        )
        passed = time.monotonic() - started
        raise ProgramFailed(
            f"mmdebstrap failed after {passed:.0f} s: {errors[0]}", hint=f"by hand: {paste(argv)}"
        )
