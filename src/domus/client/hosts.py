"""The hosts this user knows by name: `hosts.toml`, and the certificates beside it.

    [hosts.rack1]
    address = "10.0.0.11"
    port = 8443
    tls = "/home/me/.config/domus/hosts/rack1"

A host's `tls` directory holds ca.crt (whom to believe), client.crt and client.key (who we are).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from domus.model.errors import AlreadyExists, BadInput, NotFound
from domus.model.places import TLS_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domus.client.client import Client

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,62}")


class Host(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one host is reached."""

    address: str  #: host name or IP address
    port: int = TLS_PORT
    tls: str  #: directory with ca.crt, client.crt and client.key
    server_name: str | None = None  #: the name in its certificate, when it is not `address`

    def client(self) -> Client:
        """A client of it; connects with its first call."""
        from domus.client.client import Client

        tls = Path(self.tls)
        return Client.remote(
            self.address,
            self.port,
            ca=tls / "ca.crt",
            cert=tls / "client.crt",
            key=tls / "client.key",
            server_name=self.server_name,
        )


class _File(msgspec.Struct, forbid_unknown_fields=True):
    hosts: dict[str, Host] = {}


def directory() -> Path:
    """Where this user's files of Domus are."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "domus"


class Hosts:
    """The known hosts. Read on construction, written by `add` and `remove`."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or directory() / "hosts.toml"
        self._hosts = _read(self.path)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._hosts)

    def get(self, name: str) -> Host:
        """The host of that name.

        Raises:
            NotFound: none has it; the hint lists the known ones.
        """
        try:
            return self._hosts[name]
        except KeyError:
            known = ", ".join(self.names()) or "none"
            raise NotFound(f"unknown host {name!r}", hint=f"known: {known}; see xm host add") from None

    def client(self, name: str) -> Client:
        """A client of the host of that name; connects with its first call."""
        return self.get(name).client()

    def check(self, name: str, *, replace: bool) -> None:
        """Whether a host may be added under this name.

        Raises:
            AlreadyExists: the name is taken, and not to be replaced.
            BadInput: it is no name for a host.
        """
        if not _NAME.fullmatch(name):
            raise BadInput(f"invalid host name {name[:80]!r}", hint="letters, digits and any of _ . -")
        if name in self._hosts and not replace:
            raise AlreadyExists(f"host {name!r} is known already", hint=f"xm host rm {name}")

    def add(self, name: str, host: Host, *, replace: bool = False) -> None:
        """Remember a host, and write the file; raises as `check`."""
        self.check(name, replace=replace)
        self._hosts[name] = host
        self._write()

    def remove(self, name: str) -> Host:
        """Forget a host, and write the file; its certificates stay where they are."""
        host = self.get(name)
        del self._hosts[name]
        self._write()
        return host

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        new.write_text(text_of(self._hosts))
        new.replace(self.path)


def text_of(hosts: Mapping[str, Host]) -> str:
    """The text of a file that has these hosts."""
    lines = ["# Hosts that xm knows by name; written by xm host add."]
    for name in sorted(hosts):
        lines += ["", f"[hosts.{_quoted(name)}]"]
        fields = msgspec.to_builtins(hosts[name])
        lines += [f"{key} = {_quoted(value)}" for key, value in fields.items() if value is not None]
    return "\n".join([*lines, ""])


def _read(path: Path) -> dict[str, Host]:
    import tomllib

    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    try:
        return msgspec.convert(tomllib.loads(text), _File).hosts
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadInput(str(error), where=str(path)) from error


def _quoted(value: str | int) -> str:
    # JSON's strings are TOML's basic strings (TOML 1.0, "String"), DEL excepted, which no field holds.
    return msgspec.json.encode(value).decode()
