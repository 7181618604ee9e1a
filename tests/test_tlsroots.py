"""
Tests for L{logrelay.tlsroots}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from logrelay.tlsroots import pemBlocks, platformPaths, readableAuthorities

from .certificates import Authority, Folder, setEnvironment

ROOT = Authority.root()
OTHER = Authority.root("Other Root")


class PEMTests(SynchronousTestCase):
    """
    L{pemBlocks}.
    """

    def test_textAround(self) -> None:
        """
        What stands before, between and after blocks does not matter, nor do blocks of other kinds.
        """
        data = (
            b"# mine\n" + ROOT.pem + b"text\n" + ROOT.own.keyPEM + OTHER.pem + b"-----BEGIN CERTIFICATE-----\ncut off"
        )
        self.assertEqual([block + b"\n" for block in pemBlocks(data, b"CERTIFICATE")], [ROOT.pem, OTHER.pem])


class PlatformTests(SynchronousTestCase):
    """
    L{platformPaths}.
    """

    def test_environment(self) -> None:
        """
        ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` go before everything else.
        """
        folder = Folder(self.mktemp())
        bundle = folder.write("bundle.pem", ROOT.pem)
        setEnvironment(self, SSL_CERT_FILE=bundle, SSL_CERT_DIR=str(folder.path))
        self.assertEqual(platformPaths([__file__]), [bundle, str(folder.path)])

    def test_firstBundle(self) -> None:
        """
        The first of the usual files that exists is enough.
        """
        setEnvironment(self)
        folder = Folder(self.mktemp())
        bundles = [folder.write(name, ROOT.pem) for name in ("one", "other")]
        self.assertEqual(platformPaths([bundles[0] + "x", *bundles]), bundles[:1])

    def test_noBundle(self) -> None:
        """
        Without one it is what OpenSSL was built with, as far as that exists.
        """
        setEnvironment(self)
        for path in platformPaths([]):
            self.assertTrue(os.path.exists(path), path)


class ReadableTests(SynchronousTestCase):
    """
    L{readableAuthorities}.
    """

    def test_unreadable(self) -> None:
        """
        What cannot be read does not keep the rest from being read.
        """
        folder = Folder(self.mktemp())
        good = folder.write("d/good.pem", ROOT.pem)
        (folder.path / "d" / "loop").symlink_to("loop")
        (folder.path / "d" / "pipe").symlink_to("/dev/null")
        broken = folder.write(
            "broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + OTHER.pem
        )
        found = readableAuthorities([folder.write("x", b"") + "x", str(folder.path / "d"), broken, good])
        self.assertEqual([each.to_cryptography() for each in found], [ROOT.own.certificate, OTHER.own.certificate])
