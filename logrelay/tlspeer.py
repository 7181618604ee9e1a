"""
Whether a certificate proves that a peer is the server that was meant, and if not, why.

All of this is pure: certificates in, a sentence out.  The chain up to a trust root is OpenSSL's to check; here are the
name, the pins, and OpenSSL's findings in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from .servers import Server

#: A certificate can hold thousands of names; so many are shown, and so many characters of each.
_NAMES_SHOWN, _NAME_LENGTH = 5, 80

#: OpenSSL's name for a revocation list past its date (x509_vfy.h), the one finding that is no refusal.
CRL_HAS_EXPIRED = 12

#: What OpenSSL finds (x509_vfy.h), in words; ``{whose}`` stands for the certificate that it is about.
_FINDINGS = {
    2: "{whose} comes from an unknown authority",
    3: "crl-file holds no list of the authority that issued {whose}",
    7: "{whose} is not signed by the authority that it names",
    8: "the revocation list for {whose} is not signed by its authority",
    9: "{whose} is not valid before {notBefore}",
    10: "{whose} expired on {notAfter}",
    11: "the revocation list for {whose} is not valid yet",
    18: "{whose} is self-signed",
    19: "{whose} ends the chain and is not among the trusted ones",
    20: "{whose} comes from an unknown authority",
    21: "{whose} comes from an unknown authority",
    23: "{whose} was revoked",
    24: "{whose} must not issue certificates",
    25: "{whose} must not issue chains of this length",
    26: "{whose} is not meant for this use",
    66: "{whose} has a key that is too weak",
    67: "{whose} has a key that is too weak",
    68: "{whose} is signed with too weak a digest",
    79: "{whose} must not issue certificates",
}


@attrs.frozen
class PeerCertificate:
    """
    The certificate by which a peer proved who it is.

    :ivar subjectNames: DNS names and IP addresses in its subjectAltName.
    :ivar notAfter: when it expires, in UTC.
    :ivar sha256: the SHA-256 of its DER form, in hexadecimal: what a pin holds.
    """

    subjectNames: tuple[str, ...]
    notAfter: datetime
    sha256: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> PeerCertificate:
        """
        From the certificate itself.
        """
        return cls(subjectNames(certificate), utc(certificate, "not_valid_after"), digestOf(certificate).hex())


def utc(thing: object, name: str) -> datetime:
    """
    A date of a certificate or revocation list.  cryptography has dates with a zone since 42, under another name.
    """
    return cast(datetime, utcIfAny(thing, name))


def utcIfAny(thing: object, name: str) -> datetime | None:
    """
    The same, where it may be left out.
    """
    aware = f"{name}_utc"
    date = cast("datetime | None", getattr(thing, aware if hasattr(thing, aware) else name))
    return None if date is None else date.replace(tzinfo=UTC)


def digestOf(certificate: x509.Certificate) -> bytes:
    """
    The SHA-256 of a certificate's DER form, 32 bytes.
    """
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def subjectNames(certificate: x509.Certificate) -> tuple[str, ...]:
    """
    The DNS names and IP addresses in a certificate's subjectAltName.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def referenceHost(server: Server) -> str:
    """
    What a server has to prove to be, and what SNI asks for: its host without the dot at the end of an absolute name
    (RFC 6066, section 3) and without the zone of an IPv6 address (RFC 4007, section 11).
    """
    return server.host.partition("%")[0].removesuffix(".")


def nameFault(certificate: x509.Certificate, server: Server) -> str | None:
    """
    Why a certificate does not name a server (RFC 6125, as service-identity has it); ``None`` if it does.

    Only DNS names and IP addresses in subjectAltName count.  One that cannot be right, such as a wildcard over a whole
    top-level domain or a DNS name that spells an address, spoils the certificate.
    """
    names = subjectNames(certificate)
    if not names:
        return "the certificate has no DNS name or IP address in subjectAltName; a common name does not count"
    wanted = referenceHost(server)
    verify = verify_certificate_hostname if server.address is None else verify_certificate_ip_address
    try:
        verify(certificate, wanted)
    except VerificationError:
        return f"the certificate names only {_shown(names)}, not {wanted}"
    except CertificateError:
        return f"the certificate names {_shown(names)}, and one of these is no acceptable name"
    return None


def pinFault(certificate: x509.Certificate, pins: frozenset[bytes]) -> str | None:
    """
    Why a certificate is not a pinned one; ``None`` if it is, or nothing is pinned.
    """
    digest = digestOf(certificate)
    if not pins or digest in pins:
        return None
    return f"the certificate is none of the pinned ones: sha256:{digest.hex()}"


def chainFault(error: int, depth: int, certificate: x509.Certificate) -> str:
    """
    What OpenSSL found wrong with a chain.

    :param error: its number of the error.
    :param depth: where in the chain: 0 is the peer's own certificate.
    :param certificate: the certificate at that depth.
    """
    subject = _printable(certificate.subject.rfc4514_string())
    whose = "the certificate" if depth == 0 else f"the authority's certificate ({subject})"
    text = _FINDINGS.get(error, f"{{whose}} did not verify (OpenSSL's error {error})")
    return text.format(
        whose=whose,
        notBefore=f"{utc(certificate, 'not_valid_before'):%Y-%m-%d %H:%M} UTC",
        notAfter=f"{utc(certificate, 'not_valid_after'):%Y-%m-%d %H:%M} UTC",
    )


def _shown(names: Iterable[str]) -> str:
    """
    Names from a certificate that nobody vouches for, fit to be shown.
    """
    shown = [_printable(name) for name in names]
    more = len(shown) - _NAMES_SHOWN
    return ", ".join(shown[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _printable(name: str) -> str:
    """
    One name, without what could disturb a log.
    """
    return "".join(character if character.isprintable() else "?" for character in name[:_NAME_LENGTH])
