"""`xm host`: the hosts that `--host` knows by name."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.client.hosts import Host, Hosts, directory
from domus.model.errors import BadInput, NotFound
from domus.model.places import TLS_PORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.options import Call

#: what a host's folder holds: whom to believe, who we are, and the proof
CREDENTIALS: Final = ("ca.crt", "client.crt", "client.key")


def run(call: Call) -> int:
    """`xm host add|list|rm`."""
    verbs = {"add": _add, "list": _list, "rm": _rm}
    if not call.words or call.words[0] not in verbs:
        raise call.wrong(f"'xm host' does one of: {', '.join(verbs)}")
    verbs[call.words[0]](call, call.words[1:])
    return 0


def _add(call: Call, words: Sequence[str]) -> None:
    if len(words) != 2:
        raise call.wrong("'xm host add' takes a name and an address")
    name, (address, port) = words[0], address_of(words[1])
    given = _given(call)
    hosts = Hosts()
    kept = directory() / "hosts" / name
    host = Host(
        address=address,
        port=port,
        tls=str(kept),
        server_name=call.value("server-name") if call.has("server-name") else None,
    )
    hosts.check(name, replace=call.has("force"))
    # Whole before it takes the place of what is there: a host that is known stays so if this fails.
    new = kept.with_name(f".{name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        if given is None:
            from domus.client.authority import certify

            certify(name, address, new)
        else:
            _keep(given, new)
        hosts.add(name, host, replace=call.has("force"))
        _replace(kept, new)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if given is None:
        print(
            f"Certificates for {name} are made. Its own half belongs into /etc/domus/tls there, as root:\n"
            f"  scp {kept}/install/* root@{address}:/etc/domus/tls/"
            f" && ssh root@{address} systemctl reload xend"
        )


def _replace(kept: Path, new: Path) -> None:
    """Put the folder `new` where `kept` is or shall be."""
    old = kept.with_name(f"{new.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if kept.exists():
        kept.rename(old)
    new.rename(kept)
    shutil.rmtree(old, ignore_errors=True)


def _given(call: Call) -> Path | None:
    """The folder of credentials that somebody else issued, if one is named.

    Raises:
        NotFound: something is missing in it.
    """
    if not call.has("tls"):
        return None
    given = Path(call.value("tls"))
    missing = [file for file in CREDENTIALS if not (given / file).is_file()]
    if missing:
        raise NotFound(
            f"no {' and no '.join(missing)} in {given}", hint="the host's administrator issues them"
        )
    return given


def _list(call: Call, words: Sequence[str]) -> None:
    if words:
        raise call.wrong("'xm host list' takes no arguments")
    hosts = Hosts()
    known = {name: hosts.get(name) for name in hosts.names()}
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(known))
    else:
        sys.stdout.write(table(known))


def _rm(call: Call, words: Sequence[str]) -> None:
    if len(words) != 1:
        raise call.wrong("'xm host rm' takes a name")
    host = Hosts().remove(words[0])
    if Path(host.tls) == directory() / "hosts" / words[0]:
        shutil.rmtree(host.tls, ignore_errors=True)  # our own copies


def address_of(text: str) -> tuple[str, int]:
    """Address and port of "rack1", "rack1:9443", "10.0.0.1:9443", "fd00::1" or "[fd00::1]:9443".

    Raises:
        BadInput: no address, or a port that is none.
    """
    address, port = text, ""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if not address or (port and not port.isdecimal()) or not 0 < int(port or TLS_PORT) < 1 << 16:
        raise BadInput(f"invalid address {text!r}", hint="a name or an IP address, with :PORT or without")
    return address, int(port or TLS_PORT)


def table(hosts: dict[str, Host]) -> str:
    """Header and one row per host."""
    rows = [
        ("Name", "Address", "Port"),
        *((name, host.address, str(host.port)) for name, host in hosts.items()),
    ]
    return "".join(f"{name:<24} {address:<40} {port:>5}\n" for name, address, port in rows)


def _keep(given: Path, kept: Path) -> None:
    """Copy the credentials to where only their owner can read the key."""
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in CREDENTIALS:
        if (given / file).resolve() != (kept / file).resolve():
            (kept / file).touch(mode=0o600)
            (kept / file).chmod(0o600)
            shutil.copyfile(given / file, kept / file)
