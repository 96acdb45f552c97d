"""From a file or a text to a DomainConfig: finds the file, tells its language, reads it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from domus.config.problems import MOST_TEXT, Finding, Report, Source
from domus.model.config import DomainConfig
from domus.model.errors import ConfigError

if TYPE_CHECKING:
    from domus.config.evaluator.host import Host

SEARCH_PATH: Final = (".", "/etc/xen")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, and what there is to say about how it was read."""

    config: DomainConfig
    dialect: str  #: whose defaults apply: "xm" or "xl"
    format: str  #: the language it was written in: "xm", "xl", "sxp", "xml", "json" or "libvirt"
    path: Path | None = None
    findings: tuple[Finding, ...] = ()  #: warnings; they change nothing
    output: tuple[str, ...] = ()  #: lines that the file printed
    unused: tuple[str, ...] = ()  #: names of the command line that this file has no use for

    @property
    def warnings(self) -> list[str]:
        """The warnings, a line each."""
        return [str(finding) for finding in self.findings]


def find(name: str, search_path: Sequence[str] = SEARCH_PATH) -> Path:
    """The file that a name on the command line means: as given, then in each directory.

    Raises:
        ConfigError: there is none; the hint names what comes close.
    """
    if "\0" in name:
        raise ConfigError("the name of the configuration file contains a NUL character")
    for directory in ("", *search_path):
        path = Path(directory, name)
        if _exists(path):
            return path
    near = [
        path
        for directory in ("", *search_path)
        for path in (Path(directory, f"{name}.cfg"),)
        if _exists(path)
    ]
    looked = f"looked in {', '.join(search_path)}" if not name.startswith("/") else ""
    raise ConfigError(f"no such configuration: {name}", hint=f"did you mean {near[0]}?" if near else looked)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def read_text(path: Path) -> str:
    """The text of a regular file, of bounded size, in whatever encoding.

    Raises:
        ConfigError: it cannot be read, is no regular file, too large, or not text.
    """
    where = str(path)
    try:
        # O_NONBLOCK: a FIFO must not keep us waiting for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(_reason(error), where=where) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError("is a directory", where=where, hint="name a file in it")
        if not stat.S_ISREG(mode) and where != "/dev/null":
            raise ConfigError("is not a regular file", where=where)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MOST_TEXT + 1)
    except OSError as error:
        raise ConfigError(_reason(error), where=where) from None
    finally:
        os.close(descriptor)
    return decode(data, where)


def _reason(error: OSError) -> str:
    return {2: "no such file", 13: "permission denied", 21: "is a directory"}.get(
        error.errno or 0, error.strerror or "cannot be read"
    )


def decode(data: bytes, where: str) -> str:
    """Bytes as text: UTF-8 if they are that, else Latin-1, with plain line ends.

    Raises:
        ConfigError: too large, or binary.
    """
    if len(data) > MOST_TEXT:
        raise ConfigError(f"is larger than {MOST_TEXT >> 20} MiB: this is no configuration", where=where)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            raise ConfigError("is not text", where=where) from None
    else:
        if b"\0" in data:
            raise ConfigError(f"is not text (NUL at byte {data.index(0)})", where=where)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return clean(text)


def clean(text: str) -> str:
    """Line ends as newlines; form feeds, which Python allows between lines, as blanks."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")


def load(
    path: str | Path,
    *,
    variables: Mapping[str, str] | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    search_path: Sequence[str] = SEARCH_PATH,
    format: str | None = None,
    host: Host | None = None,
    allow_unused: bool = False,
) -> Loaded:
    """Read a configuration file.

    Args:
        path: the file; a relative name is looked up in `search_path`.
        variables: NAME=VALUE of the command line; they win over the file. Names that are no parameters
            are seen by the program in the file, as text.
        lists: values of list parameters of the command line; they replace the file's list.
        format: "xm" or "xl" to force a language; None: told by the content.
        allow_unused: a name of the command line that is no parameter and that the program does not read is
            no error (it may be meant for other files); it is in `Loaded.unused`.

    Raises:
        ConfigError: an `InvalidConfig` with every problem of the file; or the file cannot be read.
    """
    found = find(str(path), search_path)
    text = read_text(found)
    base = found.resolve().parent if str(found) != "/dev/null" else Path.cwd()
    return load_text(
        text,
        source_name=str(found),
        variables=variables,
        lists=lists,
        format=format,
        host=host,
        allow_unused=allow_unused,
        base=base,
        path=found,
    )


def load_text(
    text: str,
    *,
    source_name: str = "<text>",
    variables: Mapping[str, str] | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    format: str | None = None,
    host: Host | None = None,
    allow_unused: bool = False,
    base: Path | None = None,
    path: Path | None = None,
) -> Loaded:
    """Read a configuration from a text; see `load`.

    Args:
        source_name: what errors call the text.
        base: directory that relative paths are looked up in after the present one.

    Raises:
        ConfigError: an `InvalidConfig` with every problem of the text.
    """
    if len(text) > MOST_TEXT:
        raise ConfigError(
            f"is larger than {MOST_TEXT >> 20} MiB: this is no configuration", where=source_name
        )
    if "\0" in text:
        raise ConfigError(f"is not text (NUL at character {text.index(chr(0))})", where=source_name)
    from domus.config.detection import read_document
    from domus.config.reading import suggestion, understand

    report = Report(Source(source_name, clean(text)))
    read = read_document(report, dict(variables or {}), dict(lists or {}), format, host, path)
    for name, variable in read.document.variables.items():
        if not _is_sayable(variable.value):
            report.error(f"{name} has half of a surrogate pair, which is no character", variable.place)
    if not allow_unused:
        for name in read.document.unused:
            report.error_elsewhere(f"unknown parameter {name[:60]!r}", "command line", suggestion(name))
    read.document.base = base
    read.document.directory = _present_directory()
    config = understand(read.document) if read.config is None else read.config
    return Loaded(
        config=config,
        dialect=read.document.dialect,
        format=read.format,
        path=path,
        findings=tuple(report.warnings),
        output=tuple(read.output),
        unused=read.document.unused,
    )


def _is_sayable(value: object) -> bool:
    r"""Whether it can be written as UTF-8: "\ud800" cannot."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    return all(map(_is_sayable, value)) if isinstance(value, list | tuple) else True


def _present_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None
