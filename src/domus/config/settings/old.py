"""The parameters of xend-config.sxp: what each has become."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from domus.config.settings.table import SETTINGS, Value

_TRUE: Final = frozenset(["yes", "y", "1", "on", "true", "t"])
_FALSE: Final = frozenset(["no", "n", "0", "off", "false", "f"])


class Meaning(NamedTuple):
    """What a value says today."""

    settings: dict[str, Value]  #: by key of xend.toml
    doubt: str = ""  #: what of it no longer applies, and what to use instead


class Old(NamedTuple):
    """One parameter: its kind, and what it means now, or what replaced it."""

    name: str
    kind: str  #: "bool", "int", "text" or "list"
    means: Callable[[str], Meaning] | None = None
    instead: str = ""  #: for one without a meaning
    harmless: frozenset[str] = frozenset()  #: values (lower case) that ask for nothing: no word about them

    def wrong(self, value: str) -> str:
        """Why it is no value for it, in the old xend's words; "" when it is one."""
        if self.kind == "bool" and value.lower() not in _TRUE | _FALSE:
            return f"invalid xend config {self.name}: expected bool: {value}"
        if self.kind == "int" and not value.lstrip("-").isdecimal():
            return f"invalid xend config {self.name}: expected int: {value}"
        return ""


def truth(value: str) -> bool:
    """A boolean as xend read it."""
    return value.lower() in _TRUE


def _to(key: str) -> Callable[[str], Meaning]:
    return lambda value: Meaning({key: value} if value else {})


def _logfile(value: str) -> Meaning:
    path = PurePosixPath(value)
    if not path.is_absolute():
        return Meaning({}, "log files are named by absolute paths")
    named = "" if path.name == "xend.log" else f"the log is {path.parent}/xend.log"
    return Meaning({"log.directory": str(path.parent)}, named)


def _loglevel(value: str) -> Meaning:
    level = value.lower()
    known = {"trace": "debug", "critical": "error"}
    if level not in ("debug", "info", "warning", "error", *known):
        return Meaning({}, f"there is no level {value}; log.level is debug, info, warning or error")
    return Meaning({"log.level": known.get(level, level)})


def _vif_script(value: str) -> Meaning:
    words = shlex.split(value, posix=True) if value.count("'") % 2 == 0 else value.split()
    bridge = next((word.removeprefix("bridge=") for word in words if word.startswith("bridge=")), "")
    found: dict[str, Value] = {"guests.bridge": bridge} if bridge else {}
    if words[:1] not in (["vif-bridge"], []):
        found["guests.vif_script"] = words[0]
        if device := next((word for word in words[1:] if word.startswith("netdev=")), ""):
            return Meaning(found, f"{device} is gatewaydev= in vif")
    return Meaning(found)


def _vnc_listen(value: str) -> Meaning:
    if value == "127.0.0.1":
        return Meaning({})
    return Meaning({"guests.vnc_listen": "127.0.0.1" if value == "localhost" else value})


def _min_memory(value: str) -> Meaning:
    found: dict[str, Value] = {"dom0.min_memory_mib": max(0, int(value))}
    # The old xend's rule: no floor means no ballooning, unless enable-dom0-ballooning says so.
    return Meaning(found | ({"dom0.ballooning": False} if int(value) <= 0 else {}))


def _ballooning(value: str) -> Meaning:
    return Meaning({"dom0.ballooning": truth(value)})


def _relocation_server(value: str) -> Meaning:
    return Meaning({"migration.accept": truth(value)})


def _relocation_ssl_server(value: str) -> Meaning:
    # "no" was the usual value beside a relocation server without TLS
    return Meaning({"migration.accept": True} if truth(value) else {})


def _hosts_allow(value: str) -> Meaning:
    why = SETTINGS["migration.allow"].wrong(value)
    return Meaning({}, f"it {why}") if why else Meaning({"migration.allow": value})


_NO: Final = _FALSE
_ZERO: Final = frozenset({"0"})
_NONE: Final = frozenset({"", "none"})

_API: Final = "xend has one API: HTTP behind listen.socket, and TLS with certificates (xm host add)"
_RELOCATION: Final = "migration goes through xend's TLS port, with certificates (xm host add)"
_TIMEOUT: Final = "devices are plugged by xend itself; libxl has its own limits"
_ACM: Final = "ACM was removed in Xen 4.2; use Flask (seclabel=)"

#: in the order of the sample file
PARAMETERS: Final = {
    old.name: old
    for old in (
        Old("logfile", "text", _logfile),
        Old("loglevel", "text", _loglevel),
        Old(
            "xsm_module_name",
            "text",
            instead="Xen tells itself: flask= on its command line",
            harmless=frozenset({"dummy", "flask"}),
        ),
        Old("xen-api-server", "list", instead=_API, harmless=frozenset({"((unix))", "((unix none))"})),
        Old("xend-http-server", "bool", instead=_API, harmless=_NO),
        Old("xend-unix-server", "bool", instead=_API, harmless=_NO),
        Old(
            "xend-unix-path",
            "text",
            instead="listen.socket is xend's socket; nothing speaks the old protocol",
        ),
        Old("xend-tcp-xmlrpc-server", "bool", instead=_API, harmless=_NO),
        Old("xend-tcp-xmlrpc-server-address", "text", instead="listen.tls_address"),
        Old("xend-tcp-xmlrpc-server-port", "int", instead="listen.tls_port"),
        Old("xend-tcp-xmlrpc-server-ssl-key-file", "text", instead="host.key in listen.tls_directory"),
        Old("xend-tcp-xmlrpc-server-ssl-cert-file", "text", instead="host.crt in listen.tls_directory"),
        Old("xend-unix-xmlrpc-server", "bool", instead=_API, harmless=_TRUE),
        Old("xend-port", "int", instead="listen.tls_port"),
        Old("xend-address", "text", instead="listen.tls_address", harmless=frozenset({"", "localhost"})),
        Old("xend-relocation-server", "bool", _relocation_server),
        Old("xend-relocation-port", "int", instead=_RELOCATION),
        Old("xend-relocation-address", "text", instead=_RELOCATION, harmless=_NONE),
        Old("xend-relocation-hosts-allow", "text", _hosts_allow),
        Old("xend-relocation-ssl-server", "bool", _relocation_ssl_server),
        Old("xend-relocation-ssl-port", "int", instead=_RELOCATION),
        Old("xend-relocation-server-ssl-key-file", "text", instead="host.key in listen.tls_directory"),
        Old("xend-relocation-server-ssl-cert-file", "text", instead="host.crt in listen.tls_directory"),
        Old("xend-relocation-ssl", "bool", instead="migration is always encrypted", harmless=_TRUE),
        Old(
            "xend-udev-event-server",
            "bool",
            instead="xend watches XenStore, and udev is not needed",
            harmless=_NO,
        ),
        Old(
            "xend-domains-path",
            "text",
            instead="state.directory has a database; 'xm new -F FILE' takes domains over",
        ),
        Old("xend-state-path", "text", instead="state.directory"),
        Old("xend-storage-path", "text", instead="images are files of yours: xend keeps no repository"),
        Old("xend-security-path", "text", instead=_ACM),
        Old("console-limit", "int", instead="xend keeps 64 KiB of each console's last output"),
        Old(
            "network-script",
            "text",
            harmless=_NONE,
            instead="the host's network setup makes bridges (bridge-utils-interfaces(5))",
        ),
        Old("vif-script", "text", _vif_script),
        Old("dom0-min-mem", "int", _min_memory),
        Old("enable-dom0-ballooning", "bool", _ballooning),
        Old("total_available_memory", "int", instead="Xen shares its memory out by itself", harmless=_ZERO),
        Old("dom0-cpus", "int", instead="dom0_max_vcpus= on Xen's command line", harmless=_ZERO),
        Old(
            "enable-dump",
            "bool",
            instead="on_crash='coredump-restart' in a guest's configuration",
            harmless=_NO,
        ),
        Old("external-migration-tool", "text", instead="hooks in /etc/xen/hooks.d", harmless=_NONE),
        Old("vnc-listen", "text", _vnc_listen),
        Old("vncpasswd", "text", _to("guests.vnc_password")),
        Old("vnc-tls", "int", instead="a tunnel, such as ssh -L, to the loopback", harmless=_ZERO),
        Old("vnc-x509-cert-dir", "text", instead="a tunnel, such as ssh -L, to the loopback"),
        Old("vnc-x509-verify", "int", instead="a tunnel, such as ssh -L, to the loopback", harmless=_ZERO),
        Old("keymap", "text", _to("guests.keymap")),
        Old("resource-label-change-script", "text", instead=_ACM, harmless=_NONE),
        Old("qemu-dm-logrotate-count", "int", instead="logrotate(8) for /var/log/xen"),
        Old("device-create-timeout", "int", instead=_TIMEOUT),
        Old("device-destroy-timeout", "int", instead=_TIMEOUT),
        Old("pci-passthrough-strict-check", "bool", instead="rdm= and the options of pci=", harmless=_TRUE),
        Old(
            "pscsi-device-mask",
            "list",
            instead="libxl has no virtual SCSI: phy: disks",
            harmless=frozenset({"(*)"}),
        ),
        # before Xen 3
        Old("xend-event-port", "int", instead="xm events"),
        Old("console-address", "text", instead="xm console"),
        Old("console-port-base", "int", instead="xm console"),
        Old("vif-bridge", "text", lambda value: Meaning({"guests.bridge": value} if value else {})),
        Old("vif-antispoof", "bool", instead="the host's firewall", harmless=_NO),
        Old("dbroot", "text", instead="state.directory"),
    )
}
