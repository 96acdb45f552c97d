"""What xend can be told on its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import domus
from domus.model.places import SOCKET_PATH, TLS_PORT


@dataclass(frozen=True)
class Settings:
    """xend's options; the defaults are a normal host's."""

    socket: Path = Path(SOCKET_PATH)
    state_dir: Path = Path("/var/lib/domus")
    tls_dir: Path = Path("/etc/domus/tls")
    tls_address: str = ""  #: empty: all addresses of the host
    tls_port: int = TLS_PORT
    log_dir: Path | None = Path("/var/log/xen")  #: None: no file
    log_level: str = "info"


def arguments() -> argparse.ArgumentParser:
    """The command line's options; the manual page is made from them too."""
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="xend",
        description="The Domus daemon of a Xen host: builds domains, plugs their devices, keeps their "
        "consoles, and answers xm. It stays in the foreground, as systemd and busybox init want it.",
        epilog="SIGHUP: read certificates again (open or close the TLS port). SIGTERM: stop; domains run on.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"xend {domus.__version__}")
    add("--socket", type=Path, metavar="PATH", default=default.socket, help="UNIX socket (%(default)s)")
    add("--state-dir", type=Path, metavar="DIR", default=default.state_dir, help="what is kept (%(default)s)")
    add(
        "--tls-dir",
        type=Path,
        metavar="DIR",
        default=default.tls_dir,
        help="ca.crt, host.crt, host.key; no TLS without them (%(default)s)",
    )
    add("--tls-address", metavar="ADDRESS", default="", help="address for TLS (all of the host's)")
    add("--tls-port", type=_port, metavar="PORT", default=default.tls_port, help="port for TLS (%(default)s)")
    add("--log-dir", type=Path, metavar="DIR", default=default.log_dir, help="xend.log (%(default)s)")
    add("--no-log-file", action="store_true", help="log to standard error or the journal only")
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="how much is logged (%(default)s)",
    )
    add("--foreground", action="store_true", help=argparse.SUPPRESS)  # the old xend's; it always is
    return parser


def parse(words: Sequence[str] | None = None) -> Settings:
    """Settings from a command line; None: this process's. Ends the process for --help and mistakes."""
    options = arguments().parse_args(words)
    return Settings(
        socket=options.socket,
        state_dir=options.state_dir,
        tls_dir=options.tls_dir,
        tls_address=options.tls_address,
        tls_port=options.tls_port,
        log_dir=None if options.no_log_file else options.log_dir,
        log_level=options.log_level,
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"invalid port {text[:20]!r} (0 to 65535)")
    return int(text)
