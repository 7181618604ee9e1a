"""
The files of a TLS configuration: read into memory, and checked.

All of them are read at once, when the relay is built: keys can be read then, and perhaps not later, since privileges
are dropped in between.  Everything that is wrong is collected, so that it can be told at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import crypto

from .config import SourceTLSSettings, TLSSettings
from .errors import ConfigurationError, Problem
from .tlsroots import parseAuthority, pemBlocks, platformPaths, readableAuthorities

if TYPE_CHECKING:  # cryptography has this name since 40
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

#: One mistake: the key that names the file, what is wrong with it, and what to do.
Complaint = tuple[str, str, str]

C = TypeVar("C", x509.Certificate, crypto.X509)


@attrs.frozen
class Identity:
    """
    What one side shows of itself.

    :ivar chain: its certificate, and then those that lead to a root.
    :ivar key: the private key of the first.
    """

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes


@attrs.frozen
class ClientFiles:
    """
    What the files of a destination hold.

    :ivar roots: whom to trust.
    :ivar revocations: revocation lists; empty where none is configured.
    :ivar identity: what to show to servers that ask, if anything.
    """

    roots: tuple[crypto.X509, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]
    identity: Identity | None


@attrs.frozen
class ServerFiles:
    """
    What the files of ``[source-tls]`` hold.

    :ivar identity: what to show to clients.
    :ivar clientRoots: whom to trust about clients; empty where no certificate is required of them.
    """

    identity: Identity | None
    clientRoots: tuple[crypto.X509, ...]


@attrs.define
class Reader:
    """
    Reads files and collects complaints about them.  What cannot be read counts as empty.
    """

    complaints: list[Complaint] = attrs.field(factory=list)

    def complain(self, key: str, what: str, remedy: str) -> None:
        """
        Note a mistake.
        """
        self.complaints.append((key, what, remedy))

    def raiseComplaints(self) -> None:
        """
        Nothing, if there is nothing to complain about.

        :raises ConfigurationError: with every complaint.
        """
        if self.complaints:
            raise ConfigurationError(*(Problem("tls", *complaint) for complaint in self.complaints))

    def contents(self, key: str, path: str) -> bytes:
        """
        The bytes of one file.
        """
        if os.path.exists(path) and not os.path.isfile(path):
            self.complain(key, f"{path} is not a file", "give the path of a PEM file")
            return b""
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            remedy = "let the user that starts logrelay read it" if error.errno != 2 else "give the path of a PEM file"
            self.complain(key, f"{path} cannot be read: {os.strerror(error.errno or 0)}", remedy)
            return b""

    def certificates(self, key: str, path: str, load: Callable[[bytes], C]) -> tuple[C, ...]:
        """
        The certificates of one file, of which there has to be one at least.

        :param load: makes one of its PEM block.
        """
        known = len(self.complaints)
        blocks = pemBlocks(self.contents(key, path), b"CERTIFICATE")
        try:
            found = tuple(map(load, blocks))
        except (ValueError, crypto.Error):
            self.complain(key, f"a certificate in {path} cannot be parsed", "make the file anew")
            return ()
        if not found and len(self.complaints) == known:
            self.complain(key, f"{path} holds no certificate", "give a PEM file with BEGIN CERTIFICATE in it")
        return found

    def folder(self, key: str, path: str) -> tuple[crypto.X509, ...]:
        """
        The certificates of all files in a folder.  What is no certificate there is passed over.
        """
        try:
            os.listdir(path)
        except OSError as error:
            self.complain(key, f"{path} cannot be read: {os.strerror(error.errno or 0)}", "give the path of a folder")
            return ()
        found = readableAuthorities([path])
        if not found:
            self.complain(key, f"no file in {path} holds a certificate", "put PEM files of trusted authorities there")
        return found

    def revocations(self, key: str, path: str) -> tuple[x509.CertificateRevocationList, ...]:
        """
        The revocation lists of one file, of which there has to be one at least.
        """
        known = len(self.complaints)
        blocks = pemBlocks(self.contents(key, path), b"X509 CRL")
        try:
            found = tuple(map(x509.load_pem_x509_crl, blocks))
        except ValueError:
            self.complain(key, f"a revocation list in {path} cannot be parsed", "fetch it anew")
            return ()
        if not found and len(self.complaints) == known:
            self.complain(key, f"{path} holds no revocation list", "give a PEM file with BEGIN X509 CRL in it")
        return found

    def roots(self, caFile: str | None, caDir: str | None) -> tuple[crypto.X509, ...]:
        """
        Whom to trust: ``ca-file`` and ``ca-dir`` add up; where there is neither, it is whom the platform trusts.
        """
        if caFile is None and caDir is None:
            return self._platformRoots()
        fromFile = () if caFile is None else self.certificates("ca-file", caFile, parseAuthority)
        return fromFile + (() if caDir is None else self.folder("ca-dir", caDir))

    def _platformRoots(self) -> tuple[crypto.X509, ...]:
        """
        Whom the platform trusts.
        """
        found = readableAuthorities(platformPaths())
        if not found:
            self.complain(
                "ca-file",
                "this system has no trusted authorities",
                "set ca-file, or install the ca-certificates package",
            )
        return found

    def identity(self, certFile: str, keyFile: str, passphraseFile: str | None) -> Identity | None:
        """
        A certificate with its chain, and its key; ``None`` if anything is wrong with them.
        """
        chain = self.certificates("cert-file", certFile, x509.load_pem_x509_certificate)
        key = self._key(keyFile, passphraseFile)
        if not chain or key is None:
            return None
        if _publicBytes(key) != _publicBytes(chain[0]):
            self.complain(
                "key-file",
                f"{keyFile} is not the key of the first certificate in {certFile}",
                "give the key that belongs to it, and put its certificate before the others",
            )
            return None
        return Identity(chain, key)

    def _key(self, path: str, passphraseFile: str | None) -> PrivateKeyTypes | None:
        """
        A private key, decrypted where it is encrypted; ``None`` if it cannot be had.
        """
        known = len(self.complaints)
        data = self.contents("key-file", path)
        passphrase = None if passphraseFile is None else self._passphrase(passphraseFile)
        if len(self.complaints) > known:
            return None
        try:
            return load_pem_private_key(data, None)
        except TypeError:  # the one that says that it is encrypted
            pass
        except (ValueError, UnsupportedAlgorithm) as error:
            self.complain("key-file", f"{path} holds no private key that can be used: {error}", "give a PEM file")
            return None
        if not passphrase:
            self.complain("key-file", f"{path} is encrypted", "set key-passphrase-file to a file with its passphrase")
            return None
        try:
            return load_pem_private_key(data, passphrase)
        except (ValueError, UnsupportedAlgorithm):
            self.complain("key-passphrase-file", f"its passphrase does not open {path}", "put the right one there")
            return None

    def _passphrase(self, path: str) -> bytes:
        """
        The first line of a file.
        """
        return self.contents("key-passphrase-file", path).partition(b"\n")[0].rstrip(b"\r")


def readClient(settings: TLSSettings, reader: Reader) -> ClientFiles:
    """
    Everything that a destination needs.
    """
    roots = reader.roots(settings.caFile, settings.caDir)
    lists = () if settings.crlFile is None else reader.revocations("crl-file", settings.crlFile)
    identity = None
    if settings.certFile is not None and settings.keyFile is not None:
        identity = reader.identity(settings.certFile, settings.keyFile, settings.keyPassphraseFile)
    return ClientFiles(roots, lists, identity)


def readServer(settings: SourceTLSSettings, reader: Reader) -> ServerFiles:
    """
    Everything that listeners need.
    """
    identity = reader.identity(settings.certFile, settings.keyFile, None)
    clientRoots: tuple[crypto.X509, ...] = ()
    if settings.clientCAFile is not None:
        clientRoots = reader.certificates("client-ca-file", settings.clientCAFile, parseAuthority)
    return ServerFiles(identity, clientRoots)


def _publicBytes(holder: x509.Certificate | PrivateKeyTypes) -> bytes:
    """
    A public key, so that it can be compared.
    """
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def clientPaths(settings: TLSSettings) -> list[str | None]:
    """
    The files that a destination depends on.
    """
    roots = [settings.caFile, settings.caDir]
    return [
        *(roots if any(roots) else platformPaths()),
        settings.crlFile,
        settings.certFile,
        settings.keyFile,
        settings.keyPassphraseFile,
    ]


def serverPaths(settings: SourceTLSSettings) -> list[str | None]:
    """
    The files that listeners depend on.
    """
    return [settings.certFile, settings.keyFile, settings.clientCAFile]
