"""The certificates of this host, and whom it lets in: TLS 1.3, every caller shows a certificate."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from domus.model.errors import HostProblem, NotFound

log = logging.getLogger(__name__)


class NotConfigured(NotFound):
    """There are no certificates here, so nothing listens for other hosts."""


@dataclass(frozen=True)
class TlsFiles:
    """A directory with ca.crt (whose certificates are let in), host.crt and host.key (who we are)."""

    directory: Path

    def context(self) -> ssl.SSLContext:
        """What a listener needs, read from the files as they are now.

        Raises:
            NotConfigured: none of them is there.
            HostProblem: some are missing, broken, or do not fit together.
        """
        ca, certificate, key = (self.directory / name for name in ("ca.crt", "host.crt", "host.key"))
        missing = [path.name for path in (ca, certificate, key) if not path.exists()]
        if len(missing) == 3:
            raise NotConfigured(f"no certificates in {self.directory}")
        if missing:
            raise HostProblem(
                f"missing: {', '.join(missing)}", where=str(self.directory), hint="add it, then reload xend"
            )
        if key.stat().st_mode & 0o077:
            log.warning("%s can be read by others than its owner: chmod 600 it", key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        # One ticket, not for resuming: in TLS 1.3 it is how a caller learns that its certificate was taken.
        context.num_tickets = 1
        try:
            context.load_verify_locations(ca)
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            why = getattr(error, "reason", None) or error
            raise HostProblem(f"unusable certificates: {why}", where=str(self.directory)) from error
        return context
