"""A xend on another host: TLS 1.3, both sides show a certificate."""

from __future__ import annotations

import select
import socket
import ssl
from pathlib import Path
from typing import Final

from domus.client.conversation import SocketConversation
from domus.client.peers import CONNECT_WITHIN, reason
from domus.model.errors import BadInput, Unreachable

#: seconds for xend to look at our certificate
VERDICT_WITHIN: Final = 10.0

# TLS alerts with which a server turns down the client's certificate (RFC 8446, 6.2), as OpenSSL names
# them. The server sends them before it reads a byte of HTTP.
_REFUSALS: Final = (
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "DECRYPT_ERROR",
    "HANDSHAKE_FAILURE",
)


class RemotePeer:
    """The xend of another host.

    Args:
        ca: certificate of the authority that the host's certificate must come from.
        cert: our certificate.
        key: its private key.
        server_name: the name in the host's certificate; None: `address`.
    """

    key: Final = ""

    def __init__(
        self, address: str, port: int, *, ca: Path, cert: Path, key: Path, server_name: str | None = None
    ) -> None:
        self.address = address
        self.port = port
        self.server_name = server_name or address
        self.host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        self._files = (ca, cert, key)
        self._context: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"{self.address}:{self.port}"

    def connect(self) -> socket.socket:
        """A connected socket; the host has proven who it is.

        Raises:
            Unreachable: no connection, or the wrong certificate.
            BadInput: our own certificate's files are missing or broken.
        """
        context = self._context = self._context or _context(*self._files)
        try:
            plain = socket.create_connection((self.address, self.port), timeout=CONNECT_WITHIN)
        except OSError as error:
            raise Unreachable(
                f"Unable to connect to xend: {reason(error)}. Is xend running?", where=repr(self)
            ) from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            encrypted = context.wrap_socket(plain, server_hostname=self.server_name)
        except OSError as error:
            plain.close()
            raise self._no_handshake(error) from error
        try:
            self._wait_until_accepted(encrypted)
        except BaseException:
            encrypted.close()
            raise
        return encrypted

    def converse(self, *, within: float) -> SocketConversation:
        """As `connect`."""
        return SocketConversation(self.connect(), within=within)

    def explain(self, error: OSError) -> Unreachable | None:
        """The host turned down our certificate; in TLS 1.3 one learns this only when reading."""
        if isinstance(error, ssl.SSLError) and any(word in (error.reason or "") for word in _REFUSALS):
            return self._refused_ours()
        return None

    def _wait_until_accepted(self, connection: ssl.SSLSocket) -> None:
        """Wait for xend's verdict on our certificate.

        In TLS 1.3 the client's side of the handshake is complete before the server has looked at its
        certificate (RFC 8446, 4.4.2.4). xend sends a session ticket when it has taken it, and hangs up when
        not; a request sent before that could not tell a refusal from a lost answer.
        """
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.poll(round(VERDICT_WITHIN * 1000))
        connection.setblocking(False)
        try:
            if connection.recv(1) == b"":
                raise self._refused_ours()
        except ssl.SSLWantReadError:
            pass  # the ticket, which is no data
        except OSError as error:
            raise self._refused_ours() from error
        connection.settimeout(CONNECT_WITHIN)

    def _no_handshake(self, error: OSError) -> Unreachable:
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unreachable(
                f"wrong certificate: {error.verify_message}",
                where=repr(self),
                hint=f"expected {self.server_name}, signed by {self._files[0]}; was the host installed anew?",
            )
        if isinstance(error, ssl.SSLError):
            return self.explain(error) or Unreachable(
                f"no TLS 1.3 with xend: {error.reason or error}",
                where=repr(self),
                hint="does xend listen on this port?",
            )
        return Unreachable(f"xend broke off the TLS handshake: {reason(error)}", where=repr(self))

    def _refused_ours(self) -> Unreachable:
        return Unreachable(
            "xend refused our certificate",
            where=repr(self),
            hint=f"{self._files[1]} must come from the authority in the host's ca.crt, and still be valid",
        )


def _context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for path in (ca, cert, key):
        if not path.is_file():
            raise BadInput(f"no such file: {path}", hint="xm host add writes certificates")
    try:
        context.load_verify_locations(ca)
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            f"unusable certificate: {getattr(error, 'reason', None) or error}", where=f"{ca}, {cert}, {key}"
        ) from error
    return context
