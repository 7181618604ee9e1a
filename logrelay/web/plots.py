"""
Small plots, as SVG in the page.
"""

from __future__ import annotations

from twisted.web.template import Tag, tags

from .history import EVERY, KEPT, Series
from .markup import element
from .words import duration, number

#: In units of its own: it is stretched to the room that there is.
WIDTH, HEIGHT = 240.0, 40.0

#: Kept free above the line, or half of it would be cut off.
_ABOVE = 2.0


def pointsOf(series: Series) -> list[tuple[float, float]]:
    """
    Where the line goes, from left to right; the last value is at the right edge.
    """
    top = series.most or 1.0
    step = WIDTH / (KEPT - 1)
    first = WIDTH - step * (len(series.values) - 1)
    scale = HEIGHT - _ABOVE
    return [(first + step * place, HEIGHT - value / top * scale) for place, value in enumerate(series.values)]


def plot(caption: str, series: Series, unit: str) -> Tag:
    """
    One quantity over the last ten minutes; what there is to see stands beneath it, too.

    :param unit: follows a number, as in `` a second``.
    """
    points = pointsOf(series)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    drawing = []
    if points:
        area = f"{points[0][0]:.1f},{HEIGHT:g} {line} {WIDTH:g},{HEIGHT:g}"
        drawing = [element("polygon", points=area, class_="area"), element("polyline", points=line, class_="line")]
    picture = element(
        "svg",
        *drawing,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        class_="plot",
        aria_hidden="true",
    )
    said = f"{number(series.now)}{unit} now, {number(series.most)} at most" if points else "nothing measured yet"
    span = f" in {duration(EVERY * len(points))}" if points else ""
    return tags.figure(picture, tags.figcaption(tags.strong(caption), f" {said}{span}"))
