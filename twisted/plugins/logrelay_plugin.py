"""
Tells ``twistd`` that there is a ``logrelay``.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker

logrelay = ServiceMaker("logrelay", "logrelay.tap", "Relay log messages to one of several log servers.", "logrelay")
