"""
A configuration file read whole: what :mod:`logrelay.configfile` makes of it, and the certificates and keys it names.
"""

from __future__ import annotations

import os

from . import configfile
from .config import Configuration
from .tls import checkFiles, checkSourceFiles


def readConfiguration(path: str | os.PathLike[str]) -> Configuration:
    """
    Read a configuration file for a program that composes the relay, and look into every file that it names, as
    ``logrelay check`` does.  It need not name a source: the program is one.  Relative paths start from its folder.

    :raises ConfigurationError: with every mistake found.
    """
    return configfile.readConfiguration(os.fspath(path), checkFiles, checkSourceFiles, composed=True)
