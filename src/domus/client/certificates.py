"""Certificates for hosts and their users: an authority, and what it signs. ECDSA on P-256.

The only module that needs `cryptography`; domain 0 has none and needs none. Used by the lab for its
hosts, and by `xm host add` for others.

    ca = make_ca("lab")
    issue("host1", ca, hosts=["host1"], addresses=["127.0.0.1"]).write(Path("tls"), "host")
    issue("laptop", ca).write(Path("tls"), "client")
    ca.write_certificate(Path("tls/ca.crt"))
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from domus.model.errors import BadInput

#: A clock that is behind by less than this still takes a fresh certificate for valid.
CLOCK_SKEW: Final = timedelta(days=2)

#: how long a certificate is good for, unless told otherwise
VALID: Final = timedelta(days=825)


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes  #: PKCS #8, not encrypted: who may read it is who it says

    def write(self, directory: Path, stem: str) -> None:
        """Write STEM.crt and STEM.key (mode 0600) into `directory`; what was there is replaced."""
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory / f"{stem}.key", self.key, mode=0o600)
        _write(directory / f"{stem}.crt", self.certificate, mode=0o644)

    @classmethod
    def read(cls, directory: Path, stem: str) -> Identity | None:
        """What `write` wrote there; None unless it came to its end: the certificate is its last file."""
        try:
            certificate = (directory / f"{stem}.crt").read_bytes()
            return cls(certificate, (directory / f"{stem}.key").read_bytes())
        except FileNotFoundError:
            return None

    def write_certificate(self, path: Path) -> None:
        """Write the certificate alone, as others need it."""
        _write(path, self.certificate, mode=0o644)


def make_ca(name: str, *, valid: timedelta = timedelta(days=3650)) -> Identity:
    """A new authority; it signs certificates only, no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = (
        _builder(subject, key.public_key(), valid)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _identity(builder.sign(key, hashes.SHA256()), key)


def kept_ca(directory: Path, name: str) -> Identity:
    """The authority in `directory`, as ca.crt and ca.key; made when there is none."""
    kept = Identity.read(directory, "ca")
    if kept is None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = make_ca(name)
        kept.write(directory, "ca")
    return kept


def issue(
    name: str,
    ca: Identity,
    *,
    hosts: Iterable[str] = (),
    addresses: Iterable[str] = (),
    valid: timedelta = VALID,
) -> Identity:
    """A certificate signed by `ca`.

    Args:
        name: its common name: what xend calls the caller, as "cn:NAME".
        hosts: names under which a host is reached.
        addresses: its IP addresses. With neither, the certificate is a user's: it cannot serve.
    """
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])
    key = ec.generate_private_key(ec.SECP256R1())
    authority, authority_key = _load(ca)
    builder = (
        _builder(_subject(name), key.public_key(), valid)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _identity(builder.sign(authority_key, hashes.SHA256()), key)


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _subject(name: str) -> x509.Name:
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise BadInput(f"invalid name for a certificate: {name[:80]!r}", hint="1 to 64 printable characters")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _identity(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Identity:
    return Identity(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _load(ca: Identity) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key(ca.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadInput("the authority's key is not an ECDSA key")
    return x509.load_pem_x509_certificate(ca.certificate), key


def _write(path: Path, content: bytes, *, mode: int) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - mode
        file.write(content)
    new.replace(path)
