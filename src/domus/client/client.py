"""`Client`: everything that can be asked of a xend, one method each, answers as `domus.model` has them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

from domus.client.calls import Calls, decode, domain_path
from domus.client.exchange import Exchange
from domus.client.peers import LocalPeer, Peer
from domus.client.requests import quote
from domus.model.errors import NotFound, Unreachable
from domus.model.places import SOCKET_PATH, TLS_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from domus.client.console import ConsoleStream
    from domus.client.cpupools import Cpupools
    from domus.client.debugging import Debugging
    from domus.client.devices import Devices
    from domus.client.firewall import Firewalls
    from domus.client.images import Images
    from domus.client.managed import Managed
    from domus.client.memory import Memory
    from domus.client.migration import Migration
    from domus.client.networks import Networks
    from domus.client.passthrough import Passthrough
    from domus.client.psr import Psr
    from domus.client.quotas import Quotas
    from domus.client.saving import Saving
    from domus.client.scheduling import Scheduling
    from domus.client.vcpus import Vcpus
    from domus.client.virtual_devices import VirtualDevices
    from domus.model.api import ApiInfo, CreateRequest, ShutdownKind
    from domus.model.config import DomainConfig
    from domus.model.display import Display
    from domus.model.doctor import Examination
    from domus.model.domain import DomainInfo
    from domus.model.host import HostDisk, HostInfo
    from domus.model.operation import Event, Operation
    from domus.model.statistics import Statistics
    from domus.model.storage import Storage

_PIECE: Final = 1 << 18


class Client:
    """A connection to one xend, kept between calls. Not for several threads at once.

    Every method raises what xend raised, as the same class of `domus.model.errors`; and

    Raises:
        Unreachable: no connection, or not the host that was meant.
        OutcomeUnknown: the call may have had its effect, but the answer never came.
    """

    def __init__(self, peer: Peer) -> None:
        self.calls = Calls(Exchange(peer))  #: for the parts of the client, and what has no method here

    @classmethod
    def local(cls, path: str = SOCKET_PATH) -> Client:
        """The xend behind a UNIX socket. Connects with the first call."""
        return cls(LocalPeer(path))

    @classmethod
    def remote(
        cls,
        host: str,
        port: int = TLS_PORT,
        *,
        ca: Path,
        cert: Path,
        key: Path,
        server_name: str | None = None,
    ) -> Client:
        """The xend of another host. Connects with the first call.

        Args:
            ca: the certificate that the host's must be signed by.
            cert: our certificate, `key` its key.
            server_name: the name in the host's certificate, when it is not `host`.
        """
        from domus.client.tls import RemotePeer

        return cls(RemotePeer(host, port, ca=ca, cert=cert, key=key, server_name=server_name))

    def __repr__(self) -> str:
        return f"<Client {self.calls.exchange.peer!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the next call connects again."""
        self.calls.exchange.close()

    # Areas of the API, each imported when it is first used

    @cached_property
    def memory(self) -> Memory:
        """Memory of domains."""
        from domus.client.memory import Memory

        return Memory(self.calls)

    @cached_property
    def vcpus(self) -> Vcpus:
        """VCPUs of domains."""
        from domus.client.vcpus import Vcpus

        return Vcpus(self.calls)

    @cached_property
    def scheduling(self) -> Scheduling:
        """Schedulers and their parameters."""
        from domus.client.scheduling import Scheduling

        return Scheduling(self.calls)

    @cached_property
    def cpupools(self) -> Cpupools:
        """Cpupools."""
        from domus.client.cpupools import Cpupools

        return Cpupools(self.calls)

    @cached_property
    def firewall(self) -> Firewalls:
        """Rules of domains and networks."""
        from domus.client.firewall import Firewalls

        return Firewalls(self.calls)

    @cached_property
    def networks(self) -> Networks:
        """Named networks."""
        from domus.client.networks import Networks

        return Networks(self.calls)

    @cached_property
    def debugging(self) -> Debugging:
        """Buttons and keys, uptimes, the host's topology."""
        from domus.client.debugging import Debugging

        return Debugging(self.calls)

    # The host

    def api(self) -> ApiInfo:
        """Who answers."""
        from domus.model.api import ApiInfo

        return self.calls.get("/v1", ApiInfo)

    def host(self) -> HostInfo:
        """What `xm info` shows."""
        from domus.model.host import HostInfo

        return self.calls.get("/v1/host", HostInfo)

    def doctor(self) -> Examination:
        """What is wrong with the host."""
        from domus.model.doctor import Examination

        return self.calls.get("/v1/host/doctor", Examination)

    def disks(self) -> list[HostDisk]:
        """The host's block devices."""
        from domus.model.host import HostDisk

        return self.calls.get("/v1/host/disks", list[HostDisk])

    def storage(self) -> Storage:
        """The disks of domains, and where they are stored."""
        from domus.model.storage import Storage

        return self.calls.get("/v1/storage", Storage)

    def dmesg(self, *, clear: bool = False) -> str:
        """The hypervisor's message ring; `clear` empties it."""
        return self.calls.ask("GET", f"/v1/host/dmesg?clear={int(clear)}").decode(errors="replace")

    def log(self) -> str:
        """xend's own log."""
        return self.calls.ask("GET", "/v1/host/log").decode(errors="replace")

    @cached_property
    def managed(self) -> Managed:
        """Managed domains."""
        from domus.client.managed import Managed

        return Managed(self.calls)

    def statistics(self) -> Statistics:
        """What all domains have used so far."""
        from domus.model.statistics import Statistics

        return self.calls.get("/v1/statistics", Statistics)

    # Domains. `ref` is a name, an id or a uuid, looked up in this order.

    def domains(self) -> list[DomainInfo]:
        """All domains, sorted by name."""
        from domus.model.domain import DomainInfo

        return self.calls.get("/v1/domains", list[DomainInfo])

    def domain(self, ref: str) -> DomainInfo:
        """One domain."""
        from domus.model.domain import DomainInfo

        return self.calls.get(domain_path(ref), DomainInfo)

    def config(self, ref: str) -> DomainConfig:
        """The configuration that xend keeps of a domain."""
        from domus.model.config import DomainConfig

        return self.calls.get(f"{domain_path(ref)}/config", DomainConfig)

    def create(self, request: CreateRequest) -> Operation:
        """Begin to build a domain; returns at once, see `finish`."""
        from domus.model.operation import Operation

        return self.calls.post("/v1/domains", request, Operation)

    def destroy(self, ref: str) -> Operation:
        """Begin to take a domain away; returns at once, see `finish`."""
        from domus.model.operation import Operation

        return self.calls.post(f"{domain_path(ref)}/destroy", None, Operation)

    def pause(self, ref: str) -> None:
        """Stop its VCPUs."""
        self.calls.ask("POST", f"{domain_path(ref)}/pause")

    def unpause(self, ref: str) -> None:
        """Let its VCPUs run."""
        self.calls.ask("POST", f"{domain_path(ref)}/unpause")

    def shutdown(self, ref: str, kind: ShutdownKind | None = None) -> None:
        """Ask the guest to end, by a poweroff if nothing else is said; true when asked, not when it has."""
        from domus.model.api import ShutdownKind, ShutdownRequest

        kind = kind or ShutdownKind.POWEROFF
        self.calls.ask("POST", f"{domain_path(ref)}/shutdown", ShutdownRequest(reason=kind))

    def console(self, ref: str, write: bool = True, *, scrollback: bool = True) -> ConsoleStream:
        """A domain's console.

        Args:
            write: what is sent is typed into it; only one at a time may.
            scrollback: begin with what the domain printed last.

        Raises:
            InUse: somebody else writes; watching (`write=False`) is still possible.
        """
        from domus.client.console import ConsoleStream

        target = f"{domain_path(ref)}/console?write={int(write)}&scrollback={int(scrollback)}"
        return ConsoleStream.open(self.calls.exchange.peer, target)

    def display(self, ref: str) -> Display:
        """What a viewer of a domain's display needs to know."""
        from domus.model.display import Display

        return self.calls.get(f"{domain_path(ref)}/display", Display)

    def display_stream(self, ref: str) -> ConsoleStream:
        """The bytes of a domain's VNC server, and those for it."""
        from domus.client.console import ConsoleStream

        target = f"{domain_path(ref)}/display/stream"
        return ConsoleStream.open(self.calls.exchange.peer, target, what="display")

    @cached_property
    def devices(self) -> Devices:
        """Devices of running domains."""
        from domus.client.devices import Devices

        return Devices(self.calls)

    @cached_property
    def images(self) -> Images:
        """Images of the host's store."""
        from domus.client.images import Images

        return Images(self.calls)

    @cached_property
    def saving(self) -> Saving:
        """Domains into files and back."""
        from domus.client.saving import Saving

        return Saving(self.calls)

    @cached_property
    def migration(self) -> Migration:
        """Domains to other hosts."""
        from domus.client.migration import Migration

        return Migration(self.calls)

    @cached_property
    def passthrough(self) -> Passthrough:
        """Devices of the host that domains own."""
        from domus.client.passthrough import Passthrough

        return Passthrough(self.calls)

    @cached_property
    def virtual_devices(self) -> VirtualDevices:
        """Virtual TPMs, keyboards, displays and sound cards."""
        from domus.client.virtual_devices import VirtualDevices

        return VirtualDevices(self.calls)

    @cached_property
    def psr(self) -> Psr:
        """Shares of caches and memory bandwidth."""
        from domus.client.psr import Psr

        return Psr(self.calls)

    @cached_property
    def quotas(self) -> Quotas:
        """How much guests may have in XenStore."""
        from domus.client.quotas import Quotas

        return Quotas(self.calls)

    # Operations

    def operations(self) -> list[Operation]:
        """The operations that xend remembers."""
        from domus.model.operation import Operation

        return self.calls.get("/v1/operations", list[Operation])

    def operation(self, id: str) -> Operation:
        """One operation, as it is now."""
        from domus.model.operation import Operation

        return self.calls.get(f"/v1/operations/{quote(id)}", Operation)

    def cancel(self, id: str) -> Operation:
        """Ask an operation to stop and to undo what it has done; see `finish` for its end."""
        from domus.model.operation import Operation

        return decode(self.calls.ask("DELETE", f"/v1/operations/{quote(id)}"), Operation)

    def follow(self, operation: Operation) -> Iterator[Operation]:
        """Its snapshots, until and including the final one.

        A connection that breaks is made again; an xend that was started anew meanwhile has undone the
        operation, and says so.

        Raises:
            OutcomeUnknown: xend stayed away; the operation may be done, or will be undone.
        """
        from domus.client.following import follow

        return follow(self.calls, operation)

    def finish(self, operation: Operation, on_change: Callable[[Operation], None] | None = None) -> Operation:
        """Wait for its end; returns the final snapshot.

        Args:
            on_change: called with each snapshot, the final one included.

        Raises:
            DomusError: what made it fail, as the class that xend raised.
            Cancelled: somebody cancelled it.
        """
        from domus.client.following import outcome

        for snapshot in self.follow(operation):
            operation = snapshot
            if on_change is not None:
                on_change(operation)
        return outcome(operation)

    def events(self, since: int | None = None, *, follow: bool = True) -> Iterator[Event]:
        """What happens on the host, for ever; each event once, none left out.

        Args:
            since: the revision after which to begin; None: with what happens from now on.
            follow: False: end with what has happened by now.

        Raises:
            Unreachable: the stream broke; call again with the last revision.
        """
        from domus.model.operation import Event

        query = "" if since is None else f"&since={since}"
        for data in self.calls.stream(f"/v1/events?follow={int(follow)}{query}"):
            yield decode(data.encode(), Event)
        if follow:
            raise Unreachable("xend ended the stream of events", where=str(self.calls.exchange.peer))

    # Blobs

    def put_blob(self, path: str | Path) -> str:
        """Hand a kernel or ramdisk over; returns the name a DomainConfig takes for it, "sha256:HEX".

        Nothing is sent when the host already has it.
        """
        with open(path, "rb") as file:  # noqa: PTH123 - see above
            import hashlib

            digest = hashlib.file_digest(file, "sha256").hexdigest()
            target = f"/v1/blobs/{digest}"
            try:
                self.calls.ask("HEAD", target)
            except NotFound:
                size = file.seek(0, 2)
                file.seek(0)
                pieces = iter(lambda: file.read(_PIECE), b"")
                self.calls.send("PUT", target, pieces, size)
        return f"sha256:{digest}"
