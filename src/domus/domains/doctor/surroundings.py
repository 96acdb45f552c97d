"""Checks of what stands beside xend: bridges, other toolstacks, and who may do what."""

from __future__ import annotations

import grp
import re
import stat
from collections.abc import Iterator
from typing import Final

from domus.domains.doctor.facts import Facts, Process
from domus.model.doctor import Finding, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_NET: Final = "/sys/class/net"

#: daemons that answer the same XenStore nodes, or believe to own the domains: name, severity, what happens
_RIVALS: Final = (
    ("libvirtd", _WARNING, "libvirt's Xen driver starts, stops and restarts domains by its own records"),
    ("virtxend", _WARNING, "libvirt's Xen driver starts, stops and restarts domains by its own records"),
    ("xapi", _ERROR, "XAPI believes to be this host's toolstack"),
    ("xenopsd-xc", _ERROR, "XAPI's xenopsd destroys domains that it does not know"),
    ("squeezed", _ERROR, "XAPI's squeezed moves memory between domains"),
)

#: ports of the old xend, all without encryption: its HTTP, events, relocation, XML-RPC (xend-config.sxp)
_OLD_PORTS: Final = {
    8000: "its HTTP server",
    8001: "its events",
    8002: "relocation: guests' memory, to everybody",
    8005: "XML-RPC",
    8006: "XML-RPC",
    9363: "the Xen API",
}
_VNC: Final = range(5900, 6000)
_LISTENING: Final = "0A"  # Linux, include/net/tcp_states.h: TCP_LISTEN


def storage(facts: Facts) -> Iterator[Finding]:
    """What disks are stored on must not fill: a guest's writes fail then."""
    for store in facts.stores:
        if store.warning:
            yield Finding(
                check="storage",
                severity=_WARNING,
                what=f"{store.kind} {store.name}: {store.warning}",
                mend="free some of it or make it larger (lvextend); 'xm disk list' shows what takes it",
            )


def bridges(facts: Facts) -> Iterator[Finding]:
    """Guests' cards need one, and the kernel should not filter what it carries."""

    def found(severity: Severity, what: str, mend: str) -> Finding:
        return Finding(check="bridges", severity=severity, what=what, mend=mend)

    files = facts.files
    names = [name for name in files.names(_NET) if files.exists(f"{_NET}/{name}/bridge")]
    if not names:
        yield found(
            _WARNING,
            "there is no bridge: guests' cards have nowhere to go",
            "ip link add xenbr0 type bridge && ip link set eth0 master xenbr0 && ip link set xenbr0 up;"
            " the host's address moves from eth0 to xenbr0 (Debian: bridge-utils-interfaces(5))",
        )
    for name in names:
        if files.text(f"{_NET}/{name}/operstate") == "down":
            yield found(_WARNING, f"bridge {name} is down", f"ip link set {name} up")
        ports = [port for port in files.names(f"{_NET}/{name}/brif") if not re.match(r"(vif|tap)\d", port)]
        if not ports:
            yield found(
                _NOTE,
                f"bridge {name} has no card of the host: its guests reach each other and this host only",
                f"ip link set eth0 master {name}",
            )
        if files.text(f"{_NET}/{name}/bridge/stp_state") not in ("", "0"):
            yield found(
                _NOTE,
                f"bridge {name} does spanning tree: a guest's card is deaf for its first seconds",
                f"ip link set {name} type bridge stp_state 0",
            )
    if names and files.text("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1":
        yield found(
            _WARNING,
            "the host's firewall filters what guests send each other over bridges",
            "sysctl net.bridge.bridge-nf-call-iptables=0; and into /etc/sysctl.d/",
        )


def interference(facts: Facts) -> Iterator[Finding]:
    """Who else does xend's work."""

    def found(severity: Severity, what: str, mend: str) -> Finding:
        return Finding(check="interference", severity=severity, what=what, mend=mend)

    for name, severity, why in _RIVALS:
        for process in facts.named(name):
            yield found(
                severity, f"{name} runs (process {process.pid}): {why}", f"systemctl disable --now {name}"
            )
    for process in facts.processes:
        if _is_devd(process):
            yield found(
                _ERROR,
                f"'xl devd' runs here (process {process.pid}): it answers the same back ends as xend",
                f"kill {process.pid}; it is for driver domains, not for domain 0",
            )
    files = facts.files
    if files.exists("/run/lock/xendomains") or files.exists("/var/lock/subsys/xendomains"):
        yield found(
            _WARNING,
            "xendomains has started domains, and will save or stop all domains when the host stops",
            "rm its lock, then systemctl disable --now xendomains; xm autostart does its work",
        )
    starts = [
        *(f"/etc/systemd/system/{name}/xendomains.service" for name in files.names("/etc/systemd/system")),
        *(
            f"/etc/rc2.d/{name}"
            for name in files.names("/etc/rc2.d")
            if re.fullmatch(r"S\d\dxendomains", name)
        ),
    ]
    if any(files.exists(path) for path in starts) and files.names("/etc/xen/auto"):
        yield found(
            _WARNING,
            "xendomains is set up to start the domains of /etc/xen/auto, which xend starts too",
            "systemctl disable xendomains",
        )
    for folder in ("/etc/udev/rules.d", "/lib/udev/rules.d", "/usr/lib/udev/rules.d"):
        if files.exists(f"{folder}/xen-backend.rules"):
            yield found(
                _ERROR,
                f"{folder}/xen-backend.rules lets udev run hotplug scripts beside xend",
                f"rm {folder}/xen-backend.rules && udevadm control --reload",
            )
            break  # /lib is /usr/lib


def _is_devd(process: Process) -> bool:
    return process.name == "xl" and "devd" in process.words[1:3]


def security(facts: Facts) -> Iterator[Finding]:
    """Who may talk to Xen and xend, and who may change what they execute."""
    yield from _doors(facts)
    yield from _executables(facts)
    yield from _ports(facts)
    yield from _passwords(facts)


def _insecure(severity: Severity, what: str, mend: str) -> Finding:
    return Finding(check="security", severity=severity, what=what, mend=mend)


def _doors(facts: Facts) -> Iterator[Finding]:
    files = facts.files
    for path in (facts.socket, "/run/xenstored/socket", "/dev/xen/privcmd", "/dev/xen/hypercall"):
        state = files.stat(path) if path else None
        if state is not None and state.st_mode & stat.S_IRWXO:
            yield _insecure(
                _ERROR, f"everybody of this host may use {path}, and so is root", f"chmod o= {path}"
            )
    group = files.stat(facts.socket) if facts.socket else None
    if group is not None and group.st_mode & stat.S_IRWXG and _group(group.st_gid) not in ("root", "xen"):
        yield _insecure(
            _ERROR, f"group {_group(group.st_gid)} may use {facts.socket}", f"chgrp xen {facts.socket}"
        )
    for name in ("host.key", "ca.key"):
        path = f"{facts.tls_dir}/{name}"
        state = files.stat(path) if facts.tls_dir else None
        if state is not None and state.st_mode & (stat.S_IRWXO | stat.S_IRWXG):
            yield _insecure(_ERROR, f"{path} can be read by others than its owner", f"chmod 600 {path}")
    if facts.tls_dir and files.exists(f"{facts.tls_dir}/ca.key"):
        yield _insecure(
            _WARNING,
            f"{facts.tls_dir}/ca.key is on this host: who takes the host makes certificates for all others",
            "keep the authority's key on the administrator's machine",
        )
    state = files.stat(facts.state_dir) if facts.state_dir else None
    if state is not None and state.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        yield _insecure(
            _ERROR,
            f"{facts.state_dir} is open to others: configurations hold passwords",
            f"chmod 700 {facts.state_dir}",
        )


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _executables(facts: Facts) -> Iterator[Finding]:
    for folder in ("/etc/xen", "/etc/xen/hooks.d", "/etc/xen/scripts", "/etc/xen/auto"):
        entries = facts.files.names(folder) if folder != "/etc/xen" else ["xend.toml", "xend-config.sxp"]
        for path in (folder, *(f"{folder}/{name}" for name in entries)):
            state = facts.files.stat(path)
            if state is None:
                continue
            if state.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
                who = "everybody" if state.st_mode & stat.S_IWOTH else f"group {_group(state.st_gid)}"
                yield _insecure(_ERROR, f"{who} may write {path}, which root acts on", f"chmod go-w '{path}'")
            elif state.st_uid != facts.files.path("/").stat().st_uid:
                yield _insecure(
                    _ERROR,
                    f"{path} belongs to user {state.st_uid}, and root acts on it",
                    f"chown root: '{path}'",
                )


def _ports(facts: Facts) -> Iterator[Finding]:
    for address, port in _open_ports(facts):
        if port in _OLD_PORTS:
            yield _insecure(
                _ERROR,
                f"port {port} is open to other hosts, where the old xend had {_OLD_PORTS[port]}",
                f"ss -tlnp sport = :{port} tells who; the old xend's listeners have no encryption",
            )
        elif port in _VNC:
            yield _insecure(
                _WARNING,
                f"a VNC display listens on {address} port {port} for other hosts",
                "vnclisten='127.0.0.1' in the guest's configuration, and a tunnel",
            )


def _open_ports(facts: Facts) -> list[tuple[str, int]]:
    """What listens on other addresses than the loopback's."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in facts.files.text(f"/proc/net/{name}").splitlines()[1:]:
            words = line.split()
            if len(words) < 4 or words[3] != _LISTENING:
                continue
            address, _, port = words[1].rpartition(":")
            if not _is_loopback(address):
                shown = "all addresses" if not address.strip("0") else "an address of the host"
                found.add((shown, int(port, 16)))
    return sorted(found, key=lambda pair: pair[1])


def _is_loopback(address: str) -> bool:
    # /proc/net/tcp: the address's 32-bit words in the machine's own order, which is little-endian on x86
    if len(address) == 8:
        return address.endswith("7F")
    return address == "0" * 24 + "01000000" or (
        address.startswith("0" * 16 + "FFFF0000") and address.endswith("7F")
    )


def _passwords(facts: Facts) -> Iterator[Finding]:
    for folder in ("/etc/xen", "/etc/xen/auto"):
        for name in facts.files.names(folder):
            path = f"{folder}/{name}"
            state = facts.files.stat(path)
            if state is None or not stat.S_ISREG(state.st_mode) or not state.st_mode & stat.S_IROTH:
                continue
            if re.search(r"(?m)^[^#\n]*vncpasswd[^#\n]*=[^#\n]*\w", facts.files.text(path)[:65536]):
                yield _insecure(
                    _WARNING, f"everybody may read the VNC password in {path}", f"chmod o= '{path}'"
                )
