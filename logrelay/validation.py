"""
From a tree of tables, as tomllib gives it or as flags make it, to one frozen configuration, or to everything that
is wrong with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .config import (
    Configuration,
    ControlSettings,
    DestinationSettings,
    HTTPSettings,
    SourceSettings,
    SourceTLSSettings,
)
from .destinationrules import CheckFiles, DestinationRules
from .keys import CONTROL, HTTP, SOURCE, SOURCE_TLS, TOP, Section
from .lines import KeyPath
from .sections import Findings, Place, Reading, readSection, readTable
from .sourcerules import SourceRules
from .values import shown

#: As :data:`logrelay.destinationrules.CheckFiles`, for the files of ``[source-tls]``.
CheckSourceFiles = Callable[[SourceTLSSettings], Iterable[tuple[str, str, str]]]


def configurationFrom(
    tree: Mapping[str, Any],
    locate: Callable[[KeyPath], Place],
    base: str,
    checkFiles: CheckFiles,
    checkSourceFiles: CheckSourceFiles,
    platform: str = sys.platform,
    composed: bool = False,
) -> Configuration:
    """
    Check everything and build the configuration.

    :param locate: says where a key stands.
    :param base: the absolute path of the folder that relative paths start from.
    :param checkFiles: looks into the files of a destination's TLS options.
    :param checkSourceFiles: looks into the files of the sources' TLS options.
    :param composed: whether a program composes the relay, and so may be the only source.
    :raises ConfigurationError: with every mistake found.
    """
    findings = Findings(locate)
    top = readSection(findings, TOP, (), tree, base)
    sourceTLS = _sourceTLS(findings, tree, base, checkSourceFiles)
    destinations = _destinations(findings, tree, DestinationRules(findings, base, checkFiles, platform))
    named = tree.get("destination")
    sources = _sources(
        findings,
        tree,
        SourceRules(findings, base, tuple(named) if isinstance(named, dict) else (), tls="source-tls" in tree),
        composed,
    )
    written = _section(findings, CONTROL, "control", tree, base)
    control = ControlSettings() if written is None else ControlSettings(**written.values, wanted=True)
    web = _section(findings, HTTP, "http", tree, base)
    http = None if web is None else HTTPSettings(**web.values)
    findings.raiseAny()
    return Configuration(
        sources=sources,
        destinations=destinations,
        sourceTLS=sourceTLS,
        control=control,
        http=http,
        **top.values,
    )


def _section(findings: Findings, section: Section, name: str, tree: Mapping[str, Any], base: str) -> Reading | None:
    """
    A section of the file's top that has nothing but keys; ``None`` where it is absent, or cannot be read.
    """
    if name not in tree:
        return None
    table = readTable(findings, (name,), tree[name], section.header)
    reading = None if table is None else readSection(findings, section, (name,), table, base)
    return reading if reading is not None and reading.sound else None


def _sourceTLS(
    findings: Findings, tree: Mapping[str, Any], base: str, check: CheckSourceFiles
) -> SourceTLSSettings | None:
    """
    ``[source-tls]``.
    """
    reading = _section(findings, SOURCE_TLS, "source-tls", tree, base)
    if reading is None:
        return None
    settings = SourceTLSSettings(**reading.values)
    for key, what, remedy in check(settings):
        findings.add((*reading.path, key), what, remedy)
    return settings


def _destinations(
    findings: Findings, tree: Mapping[str, Any], rules: DestinationRules
) -> tuple[DestinationSettings, ...]:
    """
    Every ``[destination.NAME]``.
    """
    header = "[destination.NAME] (any name)"
    tables = tree.get("destination", {})
    if not isinstance(tables, dict):
        findings.add(("destination",), f"{shown(tables)} is not a section", f"write {header} before its keys")
        return ()
    if not tables:
        findings.add(("destination",), "there is no destination", f"add {header} with a primary")
    settings = []
    for name, value in tables.items():
        table = readTable(findings, ("destination", name), value, header)
        if table is not None:
            settings.append(rules.read(name, table))
    owners: dict[str, str] = {}
    for destination in (each for each in settings if each and each.spool):
        assert destination is not None and destination.spool is not None
        path = os.path.realpath(destination.spool.path)
        other = owners.setdefault(path, destination.name)
        if other != destination.name:
            what = f"{shown(destination.spool.path)} is the spool of destination {other}, too"
            findings.add(("destination", destination.name, "spool", "path"), what, "give each a folder of its own")
    return tuple(destination for destination in settings if destination)


def _sources(
    findings: Findings, tree: Mapping[str, Any], rules: SourceRules, composed: bool
) -> tuple[SourceSettings, ...]:
    """
    Every ``[[source]]``.
    """
    tables = tree.get("source", [])
    if not isinstance(tables, list):
        what = f"{shown(tables)} is not a list of sources"
        findings.add(("source",), what, f"write {SOURCE.header}, with two brackets, before the keys of each")
        return ()
    if not tables and not composed:
        findings.add(("source",), "there is no source", f'add {SOURCE.header} with listen = "tcp:5140", or --listen')
    settings = []
    for place, value in enumerate(tables):
        table = readTable(findings, ("source", place), value, SOURCE.header)
        if table is not None:
            settings.append(rules.read(("source", place), table))
    return tuple(source for source in settings if source)
