"""
Servers that must be refused, and servers that must not: one table, run through every way to connect.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from OpenSSL import SSL

from logrelay.config import TLSSettings
from logrelay.servers import Server

from .certificates import DAY, EXPIRED, NOW, Authority, Certificate, Folder, selfSigned

VERSIONS = {"TLS 1.2": SSL.TLS1_2_VERSION, "TLS 1.3": SSL.TLS1_3_VERSION}

NAMED = Server("logs.example.com", 6514)
IPV4 = Server("127.0.0.1", 6514)
IPV6 = Server("::1", 6514)

ROOT = Authority.root()
FOREIGN = Authority.root("Foreign Root")
OLD = Authority.root("Old Root", EXPIRED)
MIDDLE = ROOT.authority()
#: Somebody with the name of the root, and another key.
IMPOSTOR = Authority.root()

_GOOD = ROOT.issue("logs.example.com")


@attrs.frozen
class Case:
    """
    A server, and what has to become of it.

    :ivar shows: the certificate that the server shows.
    :ivar server: who it is to be.
    :ivar refusal: a part of the reason for the refusal; ``None``: it is good.
    :ivar trusted: contents of ``ca-file``.
    :ivar revocations: contents of ``crl-file``.
    :ivar pins: what is pinned.
    :ivar warnings: how often something is warned of.
    """

    shows: Certificate
    server: Server = NAMED
    refusal: str | None = None
    trusted: bytes = ROOT.pem
    revocations: bytes = b""
    pins: frozenset[bytes] = frozenset()
    warnings: int = 0

    def settings(self, folder: Folder) -> TLSSettings:
        """
        A destination's settings that go with it.
        """
        return TLSSettings(
            caFile=folder.write("ca.pem", self.trusted),
            crlFile=folder.write("crl.pem", self.revocations) if self.revocations else None,
            pins=self.pins,
        )


BAD = {
    "wrong name": Case(ROOT.issue("other.example.com"), refusal="names only other.example.com, not logs.example.com"),
    "no subjectAltName": Case(ROOT.issue(), refusal="no DNS name or IP address in subjectAltName"),
    "no subjectAltName, matching common name": Case(
        ROOT.issue(commonName="logs.example.com"), refusal="a common name does not count"
    ),
    "common name matches, subjectAltName does not": Case(
        ROOT.issue("other.example.com", commonName="logs.example.com"), refusal="names only other.example.com"
    ),
    "address for a name": Case(ROOT.issue("127.0.0.1"), refusal="names only 127.0.0.1, not logs.example.com"),
    "wrong IPv4 address": Case(ROOT.issue("127.0.0.2"), IPV4, "names only 127.0.0.2, not 127.0.0.1"),
    "wrong IPv6 address": Case(ROOT.issue("::2"), IPV6, "names only ::2, not ::1"),
    "name for an address": Case(ROOT.issue("logs.example.com"), IPV4, "names only logs.example.com, not 127.0.0.1"),
    "DNS name that spells the address": Case(ROOT.issue("DNS:127.0.0.1"), IPV4, "no acceptable name"),
    "wildcard that spells the address": Case(ROOT.issue("DNS:127.0.0.*"), IPV4, "no acceptable name"),
    "two-label wildcard": Case(ROOT.issue("*.example"), Server("logs.example", 6514), "no acceptable name"),
    "bare wildcard": Case(ROOT.issue("*"), refusal="no acceptable name"),
    "wildcard over two labels": Case(
        ROOT.issue("*.example.com"), Server("a.logs.example.com", 6514), "names only *.example.com"
    ),
    "two wildcards": Case(ROOT.issue("*.*.example.com"), Server("a.b.example.com", 6514), "no acceptable name"),
    "foreign authority": Case(FOREIGN.issue("logs.example.com"), refusal="unknown authority"),
    "foreign authority of the same name": Case(
        IMPOSTOR.issue("logs.example.com"), refusal="not signed by the authority that it names"
    ),
    "expired": Case(ROOT.issue("logs.example.com", period=EXPIRED), refusal="certificate expired on 20"),
    "not valid yet": Case(
        ROOT.issue("logs.example.com", period=(NOW + DAY, NOW + 2 * DAY)), refusal="certificate is not valid before 20"
    ),
    "expired authority": Case(
        OLD.issue("logs.example.com"), refusal="authority's certificate (CN=Old Root) expired", trusted=OLD.pem
    ),
    "self-signed": Case(selfSigned("logs.example.com"), refusal="certificate is self-signed"),
    "whole foreign chain": Case(
        attrs.evolve(FOREIGN.issue("logs.example.com"), chain=(FOREIGN.own.certificate,)),
        refusal="(CN=Foreign Root) ends the chain and is not among the trusted ones",
    ),
    "intermediate left out": Case(
        attrs.evolve(MIDDLE.issue("logs.example.com"), chain=()), refusal="comes from an unknown authority"
    ),
    "issued by who must not issue": Case(
        Authority(attrs.evolve(_GOOD, chain=(_GOOD.certificate,))).issue("logs.example.com", commonName="x"),
        refusal="must not issue certificates",
    ),
    "revoked": Case(_GOOD, refusal="certificate was revoked", revocations=ROOT.revoke(_GOOD)),
    "revoked by an old list": Case(
        _GOOD, refusal="certificate was revoked", revocations=ROOT.revoke(_GOOD, nextUpdate=NOW - DAY), warnings=1
    ),
    "no revocation list of the issuer": Case(
        MIDDLE.issue("logs.example.com"), refusal="no list of the authority that issued", revocations=ROOT.revoke()
    ),
    "forged revocation list": Case(_GOOD, refusal="not signed by its authority", revocations=IMPOSTOR.revoke()),
    "not pinned": Case(_GOOD, refusal="none of the pinned ones: sha256:", pins=frozenset({b"\0" * 32})),
    "pinned, wrong name": Case(
        _GOOD, Server("other.example.com", 6514), "names only logs.example.com", pins=frozenset({_GOOD.digest})
    ),
    "pinned, foreign authority": Case(
        FOREIGN.issue("logs.example.com"), refusal="unknown authority", pins=frozenset({_GOOD.digest})
    ),
}

GOOD = {
    "name": Case(_GOOD),
    "one of several names": Case(ROOT.issue("other.example.com", "127.0.0.1", "logs.example.com")),
    "name in capitals": Case(_GOOD, Server("LOGS.Example.COM", 6514)),
    "absolute name": Case(_GOOD, Server("logs.example.com.", 6514)),
    "name with an underscore": Case(ROOT.issue("log_server.example.com"), Server("log_server.example.com", 6514)),
    "name of one label": Case(ROOT.issue("localhost"), Server("localhost", 6514)),
    "wildcard": Case(ROOT.issue("*.example.com")),
    "IPv4 address": Case(ROOT.issue("127.0.0.1"), IPV4),
    "IPv6 address": Case(ROOT.issue("::1"), IPV6),
    "chain with an intermediate": Case(MIDDLE.issue("logs.example.com")),
    "pinned": Case(_GOOD, pins=frozenset({_GOOD.digest, b"\0" * 32})),
    "not revoked": Case(_GOOD, revocations=ROOT.revoke(ROOT.issue("other.example.com"))),
    "not revoked, by an old list": Case(_GOOD, revocations=ROOT.revoke(nextUpdate=NOW - DAY), warnings=1),
    "several authorities": Case(_GOOD, trusted=FOREIGN.pem + ROOT.pem + OLD.pem),
}


def serverContext(
    folder: Folder,
    shows: Certificate,
    version: int,
    trusted: bytes = b"",
    configure: Callable[[SSL.Context], object] = id,
) -> SSL.Context:
    """
    A server that shows a certificate, and speaks one version of TLS.

    :param trusted: whom it trusts about clients, of which it then requires a certificate.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.use_certificate_chain_file(folder.write("server.pem", shows.certPEM))
    context.use_privatekey_file(folder.write("server.key", shows.keyPEM))
    if trusted:
        context.load_verify_locations(folder.write("clients.pem", trusted))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    configure(context)
    return context
