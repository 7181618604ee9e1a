"""
Where messages come in: everything that a ``[[source]]`` can describe, and what programs log through.
"""

from .factory import sourceFor
from .file import FileSource
from .handler import RelayHandler
from .interface import CannotListen, ISource
from .observer import RelayObserver

__all__ = ["CannotListen", "FileSource", "ISource", "RelayHandler", "RelayObserver", "sourceFor"]
