"""What xend is told: its command line, else xend.toml, else the old xend-config.sxp, else what is usual."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

import domus
from domus.config.problems import Finding
from domus.config.settings import SETTINGS, SXP_FILE, TOML_FILE, Value, read
from domus.model.settings import GuestDefaults, Relocation


@dataclass(frozen=True)
class Settings:
    """xend's settings; the defaults are a normal host's."""

    socket: Path = Path(str(SETTINGS["listen.socket"].default))
    state_dir: Path = Path(str(SETTINGS["state.directory"].default))
    tls_dir: Path = Path(str(SETTINGS["listen.tls_directory"].default))
    tls_address: str = ""  #: empty: all addresses of the host
    tls_port: int = int(SETTINGS["listen.tls_port"].default)
    log_dir: Path | None = Path(str(SETTINGS["log.directory"].default))  #: None: no file
    log_level: str = "info"
    guests: GuestDefaults = field(default_factory=GuestDefaults)
    relocation: Relocation = field(default_factory=Relocation)
    dom0_min_memory_mib: int = 0  #: what domain 0 keeps
    disks_warn_percent: int = 90  #: a store that is fuller is told
    dom0_ballooning: bool | None = (
        None  #: it gives memory to new guests; None: unless Xen gave it a fixed amount
    )
    warnings: tuple[Finding, ...] = ()  #: what is doubtful in the files, for the log

    def shown(self) -> dict[str, str]:
        """Each of them as text, by the name of its option; what is not set is empty."""
        return {
            field.name.replace("_", "-"): "" if value is None else str(value)
            for field in fields(self)
            for value in (getattr(self, field.name),)
        }


#: options of the command line, and the settings that they win over
OPTIONS: Final = {
    "socket": "listen.socket",
    "state_dir": "state.directory",
    "tls_dir": "listen.tls_directory",
    "tls_address": "listen.tls_address",
    "tls_port": "listen.tls_port",
    "log_dir": "log.directory",
    "log_level": "log.level",
}


def arguments() -> argparse.ArgumentParser:
    """The command line's options; the manual page is made from them too."""
    parser = argparse.ArgumentParser(
        prog="xend",
        description="The Domus daemon of a Xen host: builds domains, plugs their devices, keeps their "
        "consoles, and answers xm. It stays in the foreground, as systemd and busybox init want it.",
        epilog="SIGHUP: read certificates again (open or close the TLS port). SIGTERM: stop; domains run on. "
        "Options win over the files; 'xm xend-config show' prints all settings and where they come from.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"xend {domus.__version__}")
    add("--config", type=Path, metavar="FILE", default=TOML_FILE, help="settings (%(default)s)")
    add("--old-config", type=Path, metavar="FILE", help=f"the old xend's, or XEND_CONFIG ({SXP_FILE})")
    add("--socket", metavar="PATH", help=_told("UNIX socket", "listen.socket"))
    add("--state-dir", metavar="DIR", help=_told("what is kept", "state.directory"))
    add(
        "--tls-dir",
        metavar="DIR",
        help=_told("ca.crt, host.crt, host.key; no TLS without", "listen.tls_directory"),
    )
    add("--tls-address", metavar="ADDRESS", help="address for TLS (all of the host's)")
    add("--tls-port", type=_port, metavar="PORT", help=_told("port for TLS", "listen.tls_port"))
    add("--log-dir", metavar="DIR", help=_told("xend.log", "log.directory"))
    add("--no-log-file", action="store_true", help="log to standard error or the journal only")
    add("--log-level", choices=("debug", "info", "warning", "error"), help="how much is logged (info)")
    add("--foreground", action="store_true", help=argparse.SUPPRESS)  # the old xend's; it always is
    return parser


def parse(words: Sequence[str] | None = None) -> Settings:
    """Settings from a command line (None: this process's) and the files. Ends the process for --help.

    Raises:
        InvalidConfig: a file is wrong; each mistake with its line.
        BadInput: a file cannot be read.
    """
    options = arguments().parse_args(words)
    old = options.old_config or Path(os.environ.get("XEND_CONFIG") or SXP_FILE)
    files = read(options.config, old)
    given = {
        key: getattr(options, name) for name, key in OPTIONS.items() if getattr(options, name) is not None
    }
    return _settings({**files.values, **given}, tuple(files.warnings), log_file=not options.no_log_file)


def _settings(values: dict[str, Value], warnings: tuple[Finding, ...], *, log_file: bool) -> Settings:
    def text(key: str) -> str:
        return str(values.get(key, SETTINGS[key].default))

    log_dir = text("log.directory") if log_file else ""
    return Settings(
        socket=Path(text("listen.socket")),
        state_dir=Path(text("state.directory")),
        tls_dir=Path(text("listen.tls_directory")),
        tls_address=text("listen.tls_address"),
        tls_port=int(text("listen.tls_port")),
        log_dir=Path(log_dir) if log_dir else None,
        log_level=text("log.level"),
        guests=GuestDefaults(
            bridge=text("guests.bridge"),
            vif_script=text("guests.vif_script"),
            vnc_listen=text("guests.vnc_listen"),
            vnc_password=text("guests.vnc_password") or None,
            keymap=text("guests.keymap"),
        ),
        relocation=Relocation(
            accept=bool(values.get("migration.accept", SETTINGS["migration.accept"].default)),
            allow=text("migration.allow"),
        ),
        dom0_min_memory_mib=int(text("dom0.min_memory_mib")),
        disks_warn_percent=int(values.get("disks.warn_percent", SETTINGS["disks.warn_percent"].default)),
        dom0_ballooning=None if (gives := values.get("dom0.ballooning")) is None else bool(gives),
        warnings=warnings,
    )


def _told(what: str, key: str) -> str:
    return f"{what} ({SETTINGS[key].default})"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"invalid port {text[:20]!r} (0 to 65535)")
    return int(text)
