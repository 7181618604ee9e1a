"""
Tests for L{logrelay.tlsfiles}.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import SourceTLSSettings, TLSSettings
from logrelay.errors import ConfigurationError
from logrelay.tlsfiles import (
    Reader,
    clientPaths,
    readClient,
    readServer,
    serverPaths,
)
from logrelay.tlsroots import platformPaths

from .certificates import Authority, Folder, setEnvironment

ROOT = Authority.root()
OTHER = Authority.root("Other Root")
OWN = ROOT.authority().issue("me.example")

BROKEN = b"-----BEGIN %s-----\nAAAA\n-----END %s-----\n"


class FilesTests(SynchronousTestCase):
    """
    What all these tests use.
    """

    def setUp(self) -> None:
        """
        An empty folder.
        """
        self.folder = Folder(self.mktemp())
        self.write = self.folder.write

    def complaints(self, **settings: str) -> list[tuple[str, str, str]]:
        """
        What is wrong with a destination's files.
        """
        settings.setdefault("caFile", self.write("good-ca.pem", ROOT.pem))
        reader = Reader()
        readClient(TLSSettings(**settings), reader)  # type: ignore[arg-type]
        return reader.complaints

    def assertComplaint(self, complaints: list[tuple[str, str, str]], key: str, what: str) -> None:
        """
        There is one complaint, about this.
        """
        self.assertEqual([complaint[0] for complaint in complaints], [key], complaints)
        self.assertIn(what, complaints[0][1])
        self.assertNotEqual(complaints[0][2], "")


class RootsTests(FilesTests):
    """
    C{ca-file} and C{ca-dir}.
    """

    def roots(self, caFile: str | None = None, caDir: str | None = None) -> set[x509.Certificate]:
        """
        Whom they make us trust.
        """
        reader = Reader()
        found = [each.to_cryptography() for each in reader.roots(caFile, caDir)]
        self.assertEqual(reader.complaints, [])
        self.assertEqual(len(found), len(set(found)))
        return set(found)

    def test_fileAndFolderAddUp(self) -> None:
        """
        Everybody in the file and in any file of the folder is trusted; other files there do not matter.
        """
        third = Authority.root("Third Root")
        self.write("d/other.pem", OTHER.pem)
        self.write("d/again.crt", OTHER.pem + third.pem)
        self.write("d/README", b"not a certificate")
        self.write("d/broken.pem", BROKEN % (b"CERTIFICATE", b"CERTIFICATE"))
        caDir = str(self.folder.path / "d")
        everybody = {each.own.certificate for each in (ROOT, OTHER, third)}
        self.assertEqual(self.roots(self.write("ca.pem", ROOT.pem), caDir), everybody)
        self.assertEqual(self.roots(None, caDir), everybody - {ROOT.own.certificate})
        self.assertEqual(self.roots(self.write("ca.pem", ROOT.pem)), {ROOT.own.certificate})

    def test_platform(self) -> None:
        """
        Where neither is configured, whom the platform trusts is trusted; C{SSL_CERT_FILE} and C{SSL_CERT_DIR} say who
        that is.
        """
        self.write("d/other.pem", OTHER.pem)
        setEnvironment(
            self,
            SSL_CERT_FILE=self.write("ca.pem", ROOT.pem + BROKEN % (b"CERTIFICATE", b"CERTIFICATE")),
            SSL_CERT_DIR=str(self.folder.path / "d"),
        )
        self.assertEqual(self.roots(), {ROOT.own.certificate, OTHER.own.certificate})

    def test_noPlatform(self) -> None:
        """
        A platform that trusts nobody is a mistake, not a reason to trust everybody.
        """
        nothing = str(self.folder.path / "nothing")
        setEnvironment(self, SSL_CERT_FILE=nothing, SSL_CERT_DIR=nothing)
        reader = Reader()
        self.assertEqual(reader.roots(None, None), ())
        self.assertComplaint(reader.complaints, "ca-file", "no trusted authorities")

    def test_emptyFolder(self) -> None:
        """
        A folder without any certificate is a mistake, and so is one that is not there.
        """
        self.write("d/README", b"not a certificate")
        caDir = str(self.folder.path / "d")
        self.assertComplaint(self.complaints(caDir=caDir), "ca-dir", "no file in")
        self.assertComplaint(self.complaints(caDir=caDir + "x"), "ca-dir", "No such file")
        self.assertComplaint(self.complaints(caDir=caDir + "/README"), "ca-dir", "Not a directory")

    def test_badFile(self) -> None:
        """
        Each way in which a file can be wrong is told apart.
        """
        for content, what in (
            (b"", "holds no certificate"),
            (OWN.keyPEM, "holds no certificate"),
            (BROKEN % (b"CERTIFICATE", b"CERTIFICATE"), "cannot be parsed"),
            (ROOT.pem + BROKEN % (b"CERTIFICATE", b"CERTIFICATE"), "cannot be parsed"),
        ):
            path = self.write("ca.pem", content)
            self.assertComplaint(self.complaints(caFile=path), "ca-file", what)
        self.assertComplaint(self.complaints(caFile=path + "x"), "ca-file", "No such file")
        self.assertComplaint(self.complaints(caFile=str(self.folder.path)), "ca-file", "is not a file")
        self.assertComplaint(self.complaints(caFile="/dev/null"), "ca-file", "is not a file")

    def test_unreadable(self) -> None:
        """
        A file that cannot be read, whatever the reason, is a mistake.
        """
        loop = self.folder.path / "loop"
        loop.symlink_to(loop)
        self.assertComplaint(self.complaints(caFile=str(loop)), "ca-file", "cannot be read")


class RevocationTests(FilesTests):
    """
    C{crl-file}.
    """

    def test_bad(self) -> None:
        """
        Each way in which a file can be wrong is told apart.
        """
        for content, what in (
            (b"", "holds no revocation list"),
            (ROOT.pem, "holds no revocation list"),
            (BROKEN % (b"X509 CRL", b"X509 CRL"), "cannot be parsed"),
        ):
            path = self.write("crl.pem", content)
            self.assertComplaint(self.complaints(crlFile=path), "crl-file", what)
        self.assertComplaint(self.complaints(crlFile=path + "x"), "crl-file", "No such file")

    def test_several(self) -> None:
        """
        A file may hold the lists of several authorities.
        """
        reader = Reader()
        path = self.write("crl.pem", ROOT.revoke() + OTHER.revoke())
        self.assertEqual(len(reader.revocations("crl-file", path)), 2)
        self.assertEqual(reader.complaints, [])


class IdentityTests(FilesTests):
    """
    C{cert-file}, C{key-file} and C{key-passphrase-file}.
    """

    def own(self, **contents: bytes) -> list[tuple[str, str, str]]:
        """
        What is wrong with them.
        """
        contents = {"certFile": OWN.certPEM, "keyFile": OWN.keyPEM, **contents}
        return self.complaints(**{name: self.write(name, content) for name, content in contents.items()})

    def read(self, certFile: bytes, keyFile: bytes, keyPassphraseFile: bytes | None = None) -> None:
        """
        Check that all is well with them.
        """
        reader = Reader()
        passphrase = None if keyPassphraseFile is None else self.write("passphrase", keyPassphraseFile)
        found = reader.identity(self.write("cert", certFile), self.write("key", keyFile), passphrase)
        self.assertEqual(reader.complaints, [])
        assert found is not None
        self.assertEqual(found.chain, (OWN.certificate, *OWN.chain))
        publicBytes = found.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.assertEqual(
            publicBytes, OWN.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def test_good(self) -> None:
        """
        A certificate with its chain, and its key: of either PEM form, encrypted or not, perhaps in the same file.
        """
        self.read(OWN.certPEM, OWN.keyPEM)
        self.read(OWN.certPEM, OWN.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        self.read(OWN.certPEM, OWN.encryptedKeyPEM(b"secret"), b"secret")
        self.read(OWN.certPEM, OWN.encryptedKeyPEM(b"secret "), b"secret \r\nanother line\n")
        self.read(OWN.certPEM, OWN.keyPEM, b"not needed")

    def test_passphrase(self) -> None:
        """
        An encrypted key needs its passphrase.
        """
        locked = OWN.encryptedKeyPEM(b"secret")
        self.assertComplaint(self.own(keyFile=locked), "key-file", "is encrypted")
        self.assertComplaint(self.own(keyFile=locked, keyPassphraseFile=b"\n"), "key-file", "is encrypted")
        self.assertComplaint(self.own(keyFile=locked, keyPassphraseFile=b"x"), "key-passphrase-file", "does not open")
        self.assertComplaint(
            self.complaints(
                certFile=self.write("cert", OWN.certPEM),
                keyFile=self.write("key", locked),
                keyPassphraseFile="/nowhere",
            ),
            "key-passphrase-file",
            "No such file",
        )

    def test_keyOfSomethingElse(self) -> None:
        """
        The key has to be that of the first certificate.
        """
        what = "is not the key of the first certificate"
        self.assertComplaint(self.own(keyFile=ROOT.own.keyPEM), "key-file", what)
        self.assertComplaint(self.own(certFile=ROOT.pem + OWN.certPEM), "key-file", what)

    def test_noKey(self) -> None:
        """
        A file that holds no key is a mistake.
        """
        for content in (b"", OWN.certPEM, BROKEN % (b"PRIVATE KEY", b"PRIVATE KEY")):
            self.assertComplaint(self.own(keyFile=content), "key-file", "holds no private key")

    def test_all(self) -> None:
        """
        All mistakes are told at once.
        """
        reader = Reader()
        missing = str(self.folder.path / "missing")
        readClient(TLSSettings(missing, missing, missing, missing, missing, missing), reader)
        self.assertEqual(
            [complaint[0] for complaint in reader.complaints],
            ["ca-file", "ca-dir", "crl-file", "cert-file", "key-file", "key-passphrase-file"],
        )
        error = self.assertRaises(ConfigurationError, reader.raiseComplaints)
        self.assertEqual([problem.key for problem in error.problems], [complaint[0] for complaint in reader.complaints])

    def test_sources(self) -> None:
        """
        The files of sources are read in the same way.
        """
        reader = Reader()
        missing = str(self.folder.path / "missing")
        self.assertEqual(readServer(SourceTLSSettings(missing, missing, missing), reader).identity, None)
        self.assertEqual([complaint[0] for complaint in reader.complaints], ["cert-file", "key-file", "client-ca-file"])


class PathsTests(SynchronousTestCase):
    """
    L{clientPaths} and L{serverPaths}.
    """

    def test_paths(self) -> None:
        """
        Everything that is read is watched.
        """
        settings = TLSSettings("a", "b", "c", "d", "e", "f")
        self.assertEqual(clientPaths(settings), ["a", "b", "c", "d", "e", "f"])
        self.assertEqual(clientPaths(TLSSettings())[: len(platformPaths())], platformPaths())
        self.assertEqual(serverPaths(SourceTLSSettings("a", "b", "c")), ["a", "b", "c"])
