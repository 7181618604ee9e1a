"""
The page's colours can be read: WCAG 2.1, 1.4.3.
"""

from __future__ import annotations

import re
from importlib.resources import files

from twisted.trial.unittest import SynchronousTestCase

STYLE = files("logrelay.web").joinpath("static/page.css").read_text()

#: What stands on what.
PAIRS = [(text, ground) for text in ("ink", "muted", "link", "good", "warning", "bad") for ground in ("ground", "card")]
PAIRS += [(name, f"{name}-tint") for name in ("good", "warning", "bad", "none")]


def luminance(colour: str) -> float:
    """
    How bright a colour is, from 0 to 1.
    """
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """
    The contrast of two colours, from 1 to 21.
    """
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


class ContrastTests(SynchronousTestCase):
    """
    By day and by night.
    """

    def test_palettes(self) -> None:
        """
        All text has a contrast of 4.5 at least.
        """
        palettes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in STYLE.split(":root {")[1:]]
        self.assertEqual(len(palettes), 2)
        low = [
            (text, ground, round(contrast(palette[text], palette[ground]), 2))
            for palette in palettes
            for text, ground in PAIRS
            if contrast(palette[text], palette[ground]) < 4.5
        ]
        self.assertEqual(low, [])

    def test_overall(self) -> None:
        """
        So has the line that is read first.
        """
        grounds = re.findall(r"\.overall[.a-z]* \{[^}]*background: (#[0-9a-f]{6})", STYLE)
        self.assertEqual(len(grounds), 3)
        self.assertEqual([each for each in grounds if contrast("#ffffff", each) < 4.5], [])
