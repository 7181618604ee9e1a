"""
Certificates of every kind, good and bad, made on the spot.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import patch

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

#: A certificate that is good now.
GOOD = (NOW - DAY, NOW + 100 * DAY)

#: One that was.
EXPIRED = (NOW - 20 * DAY, NOW - 10 * DAY)

Period = tuple[datetime, datetime]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _named(commonName: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, commonName)])


@attrs.frozen
class Certificate:
    """
    A certificate with its key.

    :ivar chain: the certificates between it and the root, nearest first.
    """

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def certPEM(self) -> bytes:
        """
        What ``cert-file`` holds: the certificate and its chain.
        """
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))

    @property
    def keyPEM(self) -> bytes:
        """
        What ``key-file`` holds.
        """
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def encryptedKeyPEM(self, passphrase: bytes) -> bytes:
        """
        The key, encrypted.
        """
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))

    @property
    def digest(self) -> bytes:
        """
        What a pin holds.
        """
        return self.certificate.fingerprint(SHA256())


@attrs.frozen
class Authority:
    """
    Somebody who issues certificates.

    :ivar own: its certificate and key; the chain is what those it issues to have to show besides their own.
    """

    own: Certificate

    @classmethod
    def root(cls, commonName: str = "Test Root", period: Period = GOOD) -> Authority:
        """
        One that nobody stands above.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(_named(commonName), key, _named(commonName), key, period, authority=True)
        return cls(Certificate(certificate, key))

    def authority(self, commonName: str = "Test Intermediate", period: Period = GOOD) -> Authority:
        """
        One that this one vouches for.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(_named(commonName), key, self.name, self.own.key, period, authority=True)
        return Authority(Certificate(certificate, key, (certificate, *self.own.chain)))

    @property
    def name(self) -> x509.Name:
        """
        Who it is.
        """
        return self.own.certificate.subject

    @property
    def pem(self) -> bytes:
        """
        What ``ca-file`` holds.
        """
        return self.own.certificate.public_bytes(Encoding.PEM)

    def issue(self, *names: str, commonName: str = "a test", period: Period = GOOD) -> Certificate:
        """
        A certificate.

        :param names: for subjectAltName: addresses as such, DNS names, and whatever stands behind ``DNS:`` as a DNS
            name even if it looks like an address.  None: no subjectAltName.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(_named(commonName), key, self.name, self.own.key, period, _alternatives(names))
        return Certificate(certificate, key, self.own.chain)

    def revoke(self, *revoked: Certificate, nextUpdate: datetime = NOW + DAY) -> bytes:
        """
        What ``crl-file`` holds: a list that revokes some certificates.
        """
        builder = x509.CertificateRevocationListBuilder(self.name, NOW - 30 * DAY, nextUpdate)
        for each in revoked:
            entry = x509.RevokedCertificateBuilder(each.certificate.serial_number, NOW - 30 * DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.own.key, SHA256()).public_bytes(Encoding.PEM)


def selfSigned(*names: str) -> Certificate:
    """
    A certificate that only its owner vouches for.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("self-signed")
    return Certificate(_signed(name, key, name, key, GOOD, _alternatives(names)), key)


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    """
    The entries of a subjectAltName.
    """
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name.removeprefix("DNS:")))
    return found


def _signed(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuerKey: Key,
    period: Period,
    names: Iterable[x509.GeneralName] = (),
    authority: bool = False,
) -> x509.Certificate:
    """
    A certificate as openssl-ca(1) would make it.
    """
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), period[0], period[1]
    ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuerKey, SHA256())


class Folder:
    """
    A folder of test files.
    """

    def __init__(self, path: str) -> None:
        """
        Make it; ``path`` is what a test case's ``mktemp`` gives.
        """
        self.path = Path(path).resolve()
        self.path.mkdir(parents=True)

    def write(self, name: str, content: bytes) -> str:
        """
        Write a file, and give its path.
        """
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)


def setEnvironment(case: SynchronousTestCase, **variables: str) -> None:
    """
    Until a test ends, set variables of the environment, and no others that say whom to trust.
    """
    changed = patch.dict(os.environ)
    changed.start()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        os.environ.pop(name, None)
    os.environ.update(variables)
    case.addCleanup(changed.stop)
