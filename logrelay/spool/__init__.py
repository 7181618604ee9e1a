"""
A store on disk: the contract of ``IStore``, kept in a folder of SQLite databases.

What one commit puts on disk is a *bundle* of batches (:mod:`logrelay.spool.bundles`), a row in a database
(:mod:`logrelay.spool.database`).  A folder holds databases of at most 64 MiB, one behind the other, and a record of
what has settled (:mod:`logrelay.spool.record`); a database whose batches have all settled is removed whole.  All work
on the folder (:mod:`logrelay.spool.folder`) is done by one thread, one job at a time; the store
(:mod:`logrelay.spool.store`) is the reactor's side of it, and keeps in memory what is being sent.
"""

from .folder import Damage, Folder
from .lock import SpoolLocked
from .store import Spool

__all__ = ["Damage", "Folder", "Spool", "SpoolLocked"]
