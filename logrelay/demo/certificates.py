"""
Certificates made on the spot: an authority of this run alone, and one certificate for each address.
"""

from __future__ import annotations

import datetime
from ipaddress import IPv4Address
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: How long they are good, and by how much clocks may differ; one run takes less than a minute.
_LIFE = datetime.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@attrs.frozen
class Authority:
    """
    Issues certificates into a folder.

    :ivar folder: where the files go; only its owner should be able to read it.
    """

    folder: Path
    _key: ec.EllipticCurvePrivateKey = attrs.field(factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        """
        The authority's own certificate (PEM), once ``publish`` was called.
        """
        return self.folder / "authority.pem"

    def publish(self) -> None:
        """
        Write the authority's own certificate.
        """
        subject = _name("logrelay demo authority")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._builder(subject, self._key).add_extension(constraints, critical=True)
        self.file.write_bytes(self._signed(certificate))

    def issue(self, name: str, address: IPv4Address | None = None) -> Path:
        """
        Make a key and a certificate for it.

        :param name: of the file, and of the subject; nobody is to check that.
        :param address: the only address that it names, for a server; ``None`` for a client.
        :return: the file with both (PEM).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if address is None else ExtendedKeyUsageOID.SERVER_AUTH
        builder = self._builder(_name(name), key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(address)])
            builder = builder.add_extension(names, critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(self._signed(builder) + private)
        return path

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        """
        What every certificate has.
        """
        now = datetime.datetime.now(datetime.UTC)
        authority = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("logrelay demo authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _LIFE)
            .not_valid_after(now + _LIFE)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        """
        The certificate as PEM.
        """
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
