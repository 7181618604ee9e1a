"""
OpenSSL's contexts, built of files.  A context in use cannot be changed, so files that change need a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, cast

import attrs
import OpenSSL.version
from OpenSSL import SSL, crypto

from .config import SourceTLSSettings, TLSSettings
from .errors import ConfigurationError
from .tlsconnection import VerifiedConnection, reasonIn
from .tlsfiles import Complaint, Identity, Reader, readClient, readServer
from .tlspeer import utc, utcIfAny

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

#: pyOpenSSL takes cryptography's objects since this version, and has deprecated or dropped its own.
_TAKES_CRYPTOGRAPHY = tuple(map(int, OpenSSL.version.__version__.split(".")[:2])) >= (24, 3)


@attrs.frozen(eq=False)
class Built:
    """
    What was built of one reading of the files.

    :ivar notAfter: when our own certificate expires; ``None`` where there is none.
    :ivar listsUntil: when the first of the revocation lists is to be replaced by a newer one; ``None`` where there is
        none, or none that says so.
    """

    context: SSL.Context
    notAfter: datetime | None
    listsUntil: datetime | None = None


def checkFiles(settings: TLSSettings) -> list[Complaint]:
    """
    Everything that is wrong with the files of a destination: key, what, remedy.
    """
    return _complaints(lambda: buildClient(settings))


def checkSourceFiles(settings: SourceTLSSettings) -> list[Complaint]:
    """
    Everything that is wrong with the files of ``[source-tls]``: key, what, remedy.
    """
    return _complaints(lambda: buildServer(settings))


def _complaints(build: Callable[[], object]) -> list[Complaint]:
    """
    What is wrong, if anything.
    """
    try:
        build()
    except ConfigurationError as error:
        return [(problem.key, problem.what, problem.remedy) for problem in error.problems]
    return []


def buildClient(settings: TLSSettings) -> Built:
    """
    Read a destination's files, and build a context of them.

    :raises ConfigurationError: if anything is wrong with them.
    """
    reader = Reader()
    files = readClient(settings, reader)
    reader.raiseComplaints()
    context = _newContext(SSL.TLS_CLIENT_METHOD, settings.minVersion, files.identity, files.roots)
    store = _storeOf(context)
    for each in files.revocations:
        store.add_crl(_native(each, lambda crl: cast(Any, crypto).CRL.from_cryptography(crl)))
    if files.revocations:
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
    context.set_verify(SSL.VERIFY_PEER, _judge)
    ends = [utcIfAny(each, "next_update") for each in files.revocations]
    return Built(context, _expiryOf(files.identity), min(filter(None, ends), default=None))


def buildServer(settings: SourceTLSSettings) -> Built:
    """
    Read the listeners' files, and build a context of them.

    :raises ConfigurationError: if anything is wrong with them.
    """
    reader = Reader()
    files = readServer(settings, reader)
    reader.raiseComplaints()
    context = _newContext(SSL.TLS_SERVER_METHOD, "1.2", files.identity, files.clientRoots)
    if settings.clientCAFile is not None:
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return Built(context, _expiryOf(files.identity))


def _newContext(method: int, minVersion: str, identity: Identity | None, roots: Iterable[crypto.X509]) -> SSL.Context:
    """
    What contexts of both sides have in common.

    Sessions are never resumed: a server is judged anew each time, and a client too.

    :raises ConfigurationError: if OpenSSL does not take our certificate.
    """
    context = SSL.Context(method)
    context.set_min_proto_version(_VERSIONS[minVersion])
    # An idle connection keeps no buffers, which is 20 KiB less for each client.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    store = _storeOf(context)
    for root in roots:
        store.add_cert(root)
    if identity is not None:
        try:
            _show(context, identity)
        except (SSL.Error, crypto.Error) as error:
            reader = Reader()
            reader.complain("cert-file", f"OpenSSL does not take it: {reasonIn(error)}", "get a stronger certificate")
            reader.raiseComplaints()
    return context


def _show(context: SSL.Context, identity: Identity) -> None:
    """
    Have a context show a certificate.
    """
    own, *others = (_native(each, crypto.X509.from_cryptography) for each in identity.chain)
    context.use_certificate(own)
    for other in others:
        context.add_extra_chain_cert(other)
    context.use_privatekey(_native(identity.key, crypto.PKey.from_cryptography_key))


def _judge(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
    """
    OpenSSL's verify callback (SSL_CTX_set_verify(3)).  An exception in it counts as a refusal.
    """
    return cast(VerifiedConnection, connection).judge(certificate, error, depth, bool(good))


def _native(thing: Any, convert: Callable[[Any], Any]) -> Any:
    """
    What this pyOpenSSL takes.
    """
    return thing if _TAKES_CRYPTOGRAPHY else convert(thing)


def _storeOf(context: SSL.Context) -> crypto.X509Store:
    """
    Where a context keeps whom it trusts.
    """
    return cast(crypto.X509Store, context.get_cert_store())


def _expiryOf(identity: Identity | None) -> datetime | None:
    """
    When our own certificate expires.
    """
    return None if identity is None else utc(identity.chain[0], "not_valid_after")
