"""
The client's side of one TLS connection: judges the server, and counts bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from .marks import RecordMarks
from .servers import Server
from .tlspeer import CRL_HAS_EXPIRED, PeerCertificate, chainFault, nameFault, pinFault


class VerifiedConnection(SSL.Connection):
    """
    The client's side of one connection: judges the server, and counts bytes.

    :ivar server: who the other side has to be.
    :ivar peer: the certificate by which it proved that; ``None`` until it has.
    :ivar refusal: why it did not prove it; ``None`` if nothing was wrong so far.
    :ivar admitted: whether the other side is known to have taken us.  With TLS 1.3 it refuses our certificate only
        after our handshake is complete (RFC 8446, section 2); whatever it then says that is no alert, nearly always a
        session ticket, tells that it does not.  Before TLS 1.3 it cannot.
    :ivar peerEnded: whether the other side has ended the stream by a close_notify, so that nothing of it was cut off.
    """

    def __init__(
        self, context: SSL.Context, server: Server, pins: frozenset[bytes], listExpired: Callable[[], None]
    ) -> None:
        """
        :param listExpired: called when a revocation list had to be used that is past its date.
        """
        super().__init__(context, None)
        self.server = server
        self.peer: PeerCertificate | None = None
        self.refusal: str | None = None
        self.peerEnded = False
        self.admitted = False
        self._complete = self._heard = False
        self._pins = pins
        self._listExpired = listExpired
        self._marks = RecordMarks()

    # Judging.

    def judge(self, certificate: crypto.X509, error: int, depth: int, good: bool) -> bool:
        """
        Say whether to go on, at each certificate of the chain, from the root down to the server's own, and whenever
        OpenSSL finds something wrong.
        """
        try:
            fault = self._fault(certificate.to_cryptography(), error, depth, good)
        except Exception as problem:  # whatever it is, it is no proof
            fault = f"the certificate cannot be checked: {problem!r}"
        if fault is not None:
            self.refusal = self.refusal or fault
            self.peer = None
        return fault is None

    def _fault(self, certificate: x509.Certificate, error: int, depth: int, good: bool) -> str | None:
        """
        What is wrong at one point of the chain.  The server's own certificate comes last.
        """
        if not good and error == CRL_HAS_EXPIRED:
            self._listExpired()
            return None
        if not good:
            return chainFault(error, depth, certificate)
        if depth > 0:
            return None
        fault = nameFault(certificate, self.server) or pinFault(certificate, self._pins)
        if fault is None:
            self.peer = PeerCertificate.of(certificate)
        return fault

    # Counting.

    @property
    def cipherOut(self) -> int:
        """
        How many bytes have left for the wire, the handshake's included.
        """
        return self._marks.cipher

    def send(self, buf: Any, flags: int = 0) -> int:
        """
        Encrypt, and count what was.
        """
        sent = super().send(buf, flags)
        self._marks.encrypted(sent)
        return sent

    def bio_read(self, bufsiz: int) -> bytes:
        """
        Hand out records, and mark up to where they hold plain text.
        """
        data = super().bio_read(bufsiz)
        self._marks.left(len(data), len(data) < bufsiz)
        return data

    def do_handshake(self) -> None:
        """
        Go on with the handshake, and note its end.
        """
        super().do_handshake()
        self._complete = True
        self.admitted = self.get_protocol_version() < SSL.TLS1_3_VERSION

    def bio_write(self, buf: bytes | bytearray | memoryview) -> int:
        """
        Take in records, and note that the other side has said something after the handshake.
        """
        self._heard = self._complete
        return super().bio_write(buf)

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """
        Decrypt, and note the end of the stream, and that what the other side said was no alert.
        """
        try:
            return super().recv(bufsiz, flags)
        except SSL.ZeroReturnError:
            self.peerEnded = True
            raise
        except SSL.WantReadError:
            self.admitted = self.admitted or self._heard
            raise

    def plainAcked(self, cipherAcked: int) -> int:
        """
        How many bytes of plain text lie wholly within the first ``cipherAcked`` bytes that left for the wire.
        """
        return self._marks.plainAcked(cipherAcked)


def reasonIn(error: BaseException | None) -> str:
    """
    The last entry of OpenSSL's queue of errors.
    """
    queue = error.args[0] if error is not None and error.args else None
    return str(queue[-1][-1]) if queue else "unexpected EOF"
