"""
Tests for :mod:`logrelay.keys`.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import (
    BufferSettings,
    Configuration,
    ControlSettings,
    DestinationSettings,
    FailbackSettings,
    HTTPSettings,
    SourceSettings,
    SourceTLSSettings,
    SpoolSettings,
    TLSSettings,
)
from logrelay.keys import (
    BUFFER,
    CONTROL,
    DESTINATION,
    FAILBACK,
    HTTP,
    SECTIONS,
    SOURCE,
    SOURCE_TLS,
    SPOOL,
    TLS,
    TOP,
)
from logrelay.values import Several

#: Keys that become the servers, which have no attribute of their own.
SERVER_KEYS = {"primary", "failovers", "port"}

SETTINGS: dict[str, type] = {
    TOP.header: Configuration,
    SOURCE.header: SourceSettings,
    DESTINATION.header: DestinationSettings,
    FAILBACK.header: FailbackSettings,
    TLS.header: TLSSettings,
    BUFFER.header: BufferSettings,
    SPOOL.header: SpoolSettings,
    SOURCE_TLS.header: SourceTLSSettings,
    CONTROL.header: ControlSettings,
    HTTP.header: HTTPSettings,
}


class TableTests(SynchronousTestCase):
    """
    The table of keys agrees with the settings that are made of it.
    """

    def test_attributes(self) -> None:
        """
        Every key becomes an attribute that there is.
        """
        for section in SECTIONS:
            fields = attrs.fields_dict(SETTINGS[section.header])
            for key in section.keys:
                if key.name not in SERVER_KEYS:
                    self.assertIn(key.attribute, fields)

    def test_defaults(self) -> None:
        """
        A default of the table is the default of the attribute: it does not matter whether settings come from a file or
        from a program.
        """
        for section in SECTIONS:
            fields = attrs.fields_dict(SETTINGS[section.header])
            for key in section.keys:
                if key.default and key.name not in SERVER_KEYS and not isinstance(key.kind, Several):
                    default = key.kind.read(key.defaultValue(), "")
                    self.assertEqual(fields[key.attribute].default, default, key.name)

    def test_documented(self) -> None:
        """
        Every section and key says what it is for and how it is written, a sentence each.
        """
        for section in SECTIONS:
            self.assertTrue(section.help.endswith("."))
            for key in section.keys:
                self.assertTrue(key.help.endswith("."), key.name)
                self.assertNotIn("\n", key.help)
                self.assertTrue(key.kind.label, key.name)

    def test_flags(self) -> None:
        """
        No two keys have the same flag.
        """
        flags = [key.flag for section in SECTIONS for key in section.keys if key.flag]
        self.assertEqual(len(set(flags)), len(flags))
