"""Two listeners, one application, one event loop, and no timers while nobody asks.

uvicorn's protocol classes do HTTP; its `Server` is left out, since its main loop wakes up ten times
per second for as long as it lives.
"""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import socket
import time
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from domus.daemon.door import Door
from domus.daemon.locks import Lock, remove_stale_socket
from domus.daemon.protocol import HttpProtocol, websocket_protocol
from domus.daemon.tls import NotConfigured, TlsFiles
from domus.daemon.transports import abort, is_encrypted
from domus.model.errors import DomusError, HostProblem

log = logging.getLogger(__name__)

#: who may use the local socket besides root
GROUP: Final = "xen"

#: connections at once, streams and consoles included; more are answered with 503
CONNECTIONS_LIMIT: Final = 512

#: seconds for which an idle connection is kept
KEEP_ALIVE: Final = 30

#: seconds for a TLS handshake (the other side may be emulated), and for the goodbye at its end
HANDSHAKE_WITHIN: Final = 20.0
STOP_TLS_WITHIN: Final = 3.0

#: seconds for the last bytes of an answer, or the goodbye of a console, to leave when xend stops
GOODBYE_WITHIN: Final = 1.0

BACKLOG: Final = 128


class Listeners:
    """The sockets of one xend."""

    def __init__(self, app: Door) -> None:
        self._config = Config(
            app=app,
            http=HttpProtocol,
            ws=cast(Any, websocket_protocol),  # a function that makes one, where uvicorn expects the class
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            limit_concurrency=CONNECTIONS_LIMIT,
        )
        self._config.load()
        self._state = ServerState()
        self._unix: asyncio.Server | None = None
        self._unix_path: Path | None = None
        self._unix_lock: Lock | None = None
        self._tls: asyncio.Server | None = None
        self._tls_socket: socket.socket | None = None

    def _connection(self) -> HttpProtocol:
        return HttpProtocol(self._config, self._state)

    async def open_unix(self, path: Path) -> None:
        """Listen for callers of this machine: root and the group "xen", where that exists.

        Raises:
            Conflict: another xend is there.
            HostProblem: the socket cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._unix_lock = Lock(path.with_suffix(".pid"))
            remove_stale_socket(path)
            listening = _unix_socket(path)
        except OSError as error:
            raise HostProblem(f"cannot listen: {error.strerror}", where=str(path)) from error
        self._unix_path = path
        loop = asyncio.get_running_loop()
        self._unix = await loop.create_unix_server(self._connection, sock=listening, backlog=BACKLOG)
        log.info("listening on %s", path)

    async def open_tls(self, files: TlsFiles, *, address: str, port: int) -> int | None:
        """Listen for other hosts, or take up changed certificates; returns the port, None when closed.

        Connections from before a change are ended when their present request is. Without certificates
        nothing listens; with unusable ones all stays as it was, and the log says what is wrong.
        """
        try:
            context = files.context()
        except NotConfigured as absent:
            if self._tls is not None:
                log.info("no longer listening in TLS: %s", absent)
            self._close_tls()
            return None
        except DomusError as error:
            log.error("TLS: %s", error.for_user())
            return None if self._tls is None else self._tls_port()
        if self._tls_socket is None:
            try:
                self._tls_socket = _tcp_socket(address, port)
            except OSError as error:
                log.error("cannot listen on port %d: %s", port, error.strerror)
                return None
            log.info("listening on port %d in TLS", self._tls_port())
        former, self._tls = self._tls, await self._serve(self._tls_socket, context)
        if former is not None:
            former.close()
            self._end_idle(encrypted_only=True)
            log.info("certificates for port %d read again", self._tls_port())
        return self._tls_port()

    async def close(self, *, within: float) -> None:
        """Stop listening and end all connections; what is under way has `within` seconds to finish."""
        self._close_tls()
        if self._unix is not None:
            self._unix.close()
        if self._unix_path is not None:
            self._unix_path.unlink(missing_ok=True)
        self._end_idle()
        running = set(self._state.tasks)
        if running:
            _, late = await asyncio.wait(running, timeout=within)
            if late:
                log.warning("%d requests did not end in time", len(late))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        deadline = time.monotonic() + GOODBYE_WITHIN
        while self._state.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self._state.connections):
            if connection.transport is not None:
                abort(connection.transport)
        if self._unix_lock is not None:
            self._unix_lock.release()

    async def _serve(self, listening: socket.socket, context: SSLContext) -> asyncio.Server:
        # A duplicate per generation of certificates: the port never stops listening in between.
        return await asyncio.get_running_loop().create_server(
            self._connection,
            sock=listening.dup(),
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_WITHIN,
            ssl_shutdown_timeout=STOP_TLS_WITHIN,
        )

    def _tls_port(self) -> int:
        assert self._tls_socket is not None  # noqa: S101 - asked only while it listens
        return int(self._tls_socket.getsockname()[1])

    def _close_tls(self) -> None:
        if self._tls is not None:
            self._tls.close()
            self._end_idle(encrypted_only=True)
        if self._tls_socket is not None:
            self._tls_socket.close()
        self._tls = self._tls_socket = None

    def _end_idle(self, *, encrypted_only: bool = False) -> None:
        for connection in list(self._state.connections):
            if not encrypted_only or is_encrypted(connection):
                connection.shutdown()


def _unix_socket(path: Path) -> socket.socket:
    """Bound, with its final owner and mode, not yet listening: nobody gets in before that."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    former = os.umask(0o177)
    try:
        bound.bind(os.fspath(path))
    finally:
        os.umask(former)
    try:
        os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
    except KeyError:
        log.debug("no group %r on this host: root only", GROUP)
    except PermissionError as error:
        log.warning("cannot give %s to the group %r: %s", path, GROUP, error.strerror)
    path.chmod(0o660)
    return bound


def _tcp_socket(address: str, port: int) -> socket.socket:
    """Listening on one address, or on all of them, IPv6 included where the kernel has it."""
    if address:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    return socket.create_server(("", port), backlog=BACKLOG)
