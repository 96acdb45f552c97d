"""Every setting of xend, once: its place in xend.toml, its kind, its default, what it means."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

Value = str | int | bool

LEVELS: Final = ("debug", "info", "warning", "error")


class Setting(NamedTuple):
    """One setting; `key` is TABLE.NAME in xend.toml."""

    key: str
    default: Value
    help: str
    #: "text", "path", "address", "bridge", "port", "number", "percent", "flag", "level", "patterns"
    kind: str = "text"

    def wrong(self, value: object) -> str:
        """Why `value` is none for it; "" when it is one."""
        match self.kind:
            case "flag":
                return "" if isinstance(value, bool) else "is true or false"
            case "number" | "port" | "percent":
                most = {"port": 65535, "percent": 100}.get(self.kind, 1 << 31)
                fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
                return "" if fits else f"is a whole number from 0 to {most}"
        if not isinstance(value, str):
            return "is a text in quotes"
        match self.kind:
            case "path":
                return "" if value.startswith("/") else "is an absolute path"
            case "level":
                return "" if value in LEVELS else f"is one of {', '.join(LEVELS)}"
            case "address":
                return "" if not value or _is_address(value) else "is an IP address, or empty"
            case "patterns":
                return _why_no_patterns(value)
            case "bridge":
                # Linux, net/core/dev.c: dev_valid_name
                named = re.fullmatch(r"[^\s/:]{1,15}", value) and value not in (".", "..")
                return "" if not value or named else "is the name of a bridge, at most 15 letters"
        return ""


def _why_no_patterns(text: str) -> str:
    for word in text.split():
        try:
            re.compile(word)
        except re.error as error:
            return f"has a wrong pattern {word!r}: {error}"
    return ""


def _is_address(text: str) -> bool:
    import ipaddress  # not needed where no address is set

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


SETTINGS: Final = {
    setting.key: setting
    for setting in (
        Setting("listen.socket", "/run/domus/xend.sock", "The UNIX socket of xend.", "path"),
        Setting(
            "listen.tls_directory",
            "/etc/domus/tls",
            "Folder with ca.crt, host.crt and host.key; no TLS without them.",
            "path",
        ),
        Setting("listen.tls_address", "", "Address for TLS; empty: all of the host's.", "address"),
        Setting("listen.tls_port", 8443, "Port for TLS.", "port"),
        Setting("state.directory", "/var/lib/domus", "Where xend keeps its database.", "path"),
        Setting("log.directory", "/var/log/xen", "Where xend.log is; empty: no file.", "text"),
        Setting("log.level", "info", "The least important lines that are logged.", "level"),
        Setting("guests.bridge", "", "Bridge of cards that name none; empty: the host's.", "bridge"),
        Setting(
            "guests.vif_script",
            "",
            "How cards are plugged in that do not say: vif-route, vif-nat, or a script; empty: bridged.",
        ),
        Setting(
            "guests.vnc_listen", "", "Where VNC displays listen; empty: on the loopback only.", "address"
        ),
        Setting("guests.vnc_password", "", "Password of VNC displays; empty: none is asked for."),
        Setting("guests.keymap", "", "Keyboard layout of displays, such as de; empty: QEMU's own."),
        Setting("migration.accept", True, "Take domains of other hosts.", "flag"),
        Setting(
            "migration.allow",
            "",
            "Hosts whose domains are taken: regular expressions for the names in their certificates or their "
            "addresses, blanks between; empty: all with a certificate.",
            "patterns",
        ),
        Setting(
            "disks.warn_percent",
            90,
            "A file system or thin pool that is fuller, and whose disks may grow, is told.",
            "percent",
        ),
        Setting("dom0.min_memory_mib", 0, "MiB that domain 0 keeps when guests need its memory.", "number"),
        Setting(
            "dom0.ballooning",
            True,
            "Domain 0 gives memory to domains that lack it. Unless set: not if Xen's dom0_mem fixes it.",
            "flag",
        ),
    )
}
