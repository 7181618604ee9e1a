"""
Trusted authorities: where the platform keeps them, and how they are read.

They are kept as OpenSSL has them, which is less strict with the form of old certificates than cryptography is.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress

from OpenSSL import crypto

#: Where systems keep all their trust roots in one file, for OpenSSLs that were built elsewhere and do not know.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian and its kin, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, Red Hat
    "/etc/pki/tls/certs/ca-bundle.crt",  # the same, older
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, the BSDs, macOS
)

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def pemBlocks(data: bytes, label: bytes) -> list[bytes]:
    """
    The blocks of PEM data that bear a label (RFC 7468), whatever stands between them.
    """
    return [match[0] for match in _PEM.finditer(data) if match[1] == label]


def platformPaths(bundles: Iterable[str] = BUNDLES) -> list[str]:
    """
    The files and folders in which this system keeps whom it trusts; ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` go first.

    :param bundles: files to look for; one that exists is enough.
    """
    known = ssl.get_default_verify_paths()
    if not os.environ.keys() & {known.openssl_cafile_env, known.openssl_capath_env}:
        for path in bundles:
            if os.path.isfile(path):
                return [path]
    return [path for path in (known.cafile, known.capath) if path is not None]


def parseAuthority(block: bytes) -> crypto.X509:
    """
    A certificate to trust, from its PEM block.

    :raises crypto.Error: if it cannot be parsed.
    """
    return crypto.load_certificate(crypto.FILETYPE_PEM, block)


def readableAuthorities(paths: Iterable[str]) -> tuple[crypto.X509, ...]:
    """
    Whom the files at some paths, and the files in the folders there, name.  What cannot be read is passed over.

    :return: each certificate once.
    """
    found: dict[bytes, crypto.X509] = {}
    for path in _files(paths):
        with suppress(OSError), open(path, "rb") as file:
            for block in pemBlocks(file.read(), b"CERTIFICATE"):
                if block not in found:
                    with suppress(crypto.Error):
                        found[block] = parseAuthority(block)
    return tuple(found.values())


def _files(paths: Iterable[str]) -> Iterator[str]:
    """
    The files at some paths, and those in the folders there.
    """
    for path in paths:
        inside: list[str] = []
        with suppress(OSError):
            inside = sorted(os.listdir(path))
        yield from filter(os.path.isfile, [path, *(os.path.join(path, name) for name in inside)])
