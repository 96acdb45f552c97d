"""`xm edit`: the kept configuration in one's editor, checked before anything of it is kept."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus import programs
from domus.cli import editing
from domus.cli.config import tell
from domus.cli.privileged import refuse_dom0
from domus.model.errors import ProgramFailed

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.managed import ManagedDomain

_ENDINGS: Final = {"xm": "cfg", "xl": "cfg", "sxp": "sxp", "json": "json", "xml": "xml"}


def run(call: Call) -> int:
    """`xm edit [--format=LANG] [--from=FILE] DOM`."""
    known = call.client.managed.get(refuse_dom0(call, "edit"))
    language = call.value("format", "xm")
    before = editing.written(known.config, language)
    beginning = Path(call.value("from")).read_text(encoding="utf-8") if call.has("from") else before
    path = _file(known.name, _ENDINGS[language], beginning)
    try:
        _open_editor(path)
        after = path.read_text(encoding="utf-8", errors="surrogateescape")
        revision = _keep(call, known, before, after, language, path)
    except BaseException:
        print(
            f"The configuration of {known.name} is as it was. Your text is kept in {path}; to go on with it:"
            f" xm edit{'' if language == 'xm' else f' --format={language}'} --from={path} {known.name}",
            file=sys.stderr,
            flush=True,
        )
        raise
    path.unlink(missing_ok=True)
    tell(known.revision, revision.revision)
    return 0


def _keep(
    call: Call, known: ManagedDomain, before: str, after: str, language: str, path: Path
) -> ManagedDomain:
    if after == before:
        return known
    config = editing.changed(known.config, before, after, language, source_name=str(path), base=Path.cwd())
    from domus.cli.handover import hand_over

    config = hand_over(config, call.target)
    return call.client.managed.configure(known.uuid, config, base=known.revision.number, what="edit")


def _file(name: str, ending: str, text: str) -> Path:
    """A new file that nobody else may read: a configuration can hold passwords."""
    descriptor, path = tempfile.mkstemp(prefix=f"xm-edit-{name}-", suffix=f".{ending}")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(path)


def in_editor(name: str, ending: str, text: str) -> str:
    """What somebody makes of a text in their editor; the file is kept if the editor fails.

    Raises:
        ProgramFailed: the editor could not be started, or ended badly.
    """
    path = _file(name, ending, text)
    _open_editor(path)
    after = path.read_text(encoding="utf-8", errors="surrogateescape")
    path.unlink(missing_ok=True)
    return after


def _open_editor(path: Path) -> None:
    """Wait until the user's editor ends.

    Raises:
        ProgramFailed: it could not be started, or ended badly.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    words = [*shlex.split(editor), str(path)]
    with programs.start(words, stdin=None) as process:
        status = process.wait()
    if status:
        raise ProgramFailed(f"the editor {words[0]} failed with exit status {status}")
