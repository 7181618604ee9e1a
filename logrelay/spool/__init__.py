"""
A store on disk: the contract of ``IStore``, kept in a folder of SQLite databases.

What one commit puts on disk is a *bundle* of batches (``bundles``), a row in a database
(``database``).  A folder holds databases of at most 64 MiB, one behind the other, and a record of
what has settled (``record``); a database whose batches have all settled is removed whole.  All work
on the folder (``folder``) is done by one thread, one job at a time; the store
(``store``) is the reactor's side of it, and keeps in memory what is being sent.
"""

from .folder import Folder
from .jobs import Damage
from .lock import SpoolLocked
from .store import Spool

__all__ = ["Damage", "Folder", "Spool", "SpoolLocked"]
