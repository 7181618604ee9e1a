"""
How Sphinx builds this documentation.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generated  # noqa: E402 - it stands beside this file

generated.write(HERE / "_generated")

project = "logrelay"
author = "the logrelay authors"
copyright = f"2026, {author}"
version = release = importlib.metadata.version("logrelay")

exclude_patterns = ["_build", "_generated", "examples"]
nitpicky = True

html_theme = "alabaster"
html_theme_options = {
    "description": "A Twisted log relay that fails over without losing messages",
    "fixed_sidebar": True,
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}

#: ``sphinx-build -b man docs FOLDER`` makes the page that the units name.
man_pages = [("commands", "logrelay", "relay log messages to the first of several servers that works", [author], 8)]
man_make_section_directory = False
