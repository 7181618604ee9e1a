"""
``python -m logrelay`` is the ``logrelay`` command.
"""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
