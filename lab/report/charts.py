"""Charts as inline SVG: lines, steps and bands over time, on one shared axis.

Rule: every chart names its unit; colours come from CSS, so that light and dark both read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 960, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 12, 24
MOST_POINTS = 900

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; ``css`` is its class, ``step`` draws it as stairs."""

    name: str
    css: str
    points: Points
    step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """An area between two lines of equal times."""

    name: str
    css: str
    low: Points
    high: Points


def nice(most: float) -> float:
    """The next of 1, 2, 5 times a power of ten at or above ``most``: 37 gives 50."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= most * 0.999)


def thinned(points: Points) -> Points:
    """At most ``MOST_POINTS`` points, keeping the highest of each run, so that peaks stay."""
    if len(points) <= MOST_POINTS:
        return points
    run = math.ceil(len(points) / MOST_POINTS)
    return [max(points[i : i + run], key=lambda p: p[1]) for i in range(0, len(points), run)]


def chart(
    title: str,
    unit: str,
    length_s: float,
    *,
    lines: Sequence[Line],
    bands: Sequence[Band] = (),
    limit: tuple[str, float] | None = None,
) -> Markup:
    """One chart.  Times in seconds since the begin, values in ``unit``."""
    values = [value for line in lines for _, value in line.points]
    values += [value for band in bands for _, value in band.high]
    if limit is not None:
        values.append(limit[1])
    top = nice(max(values, default=1.0))
    parts = [_grid(top, length_s)]
    for band in bands:
        outline = [*thinned(band.high), *reversed(thinned(band.low))]
        parts.append(f'<polygon class="band {band.css}" points="{_path(outline, top, length_s)}"/>')
    for line in lines:
        points = line.points if line.step else thinned(line.points)
        drawn = _stairs(points) if line.step else points
        parts.append(f'<polyline class="{line.css}" points="{_path(drawn, top, length_s)}"/>')
    if limit is not None:
        y = _y(limit[1], top)
        parts.append(
            f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text class="limit" x="{WIDTH - RIGHT - 4}" y="{y - 4}" text-anchor="end">'
            f"{escape(limit[0])}</text>"
        )
    keyed: list[Line | Band] = [*lines, *bands]
    legend = "".join(
        f'<span class="key"><i class="{item.css}"></i>{escape(item.name)}</span>' for item in keyed
    )
    return Markup(  # noqa: S704 - names are escaped above, numbers are ours
        f"<figure><figcaption><b>{escape(title)}</b> <small>{escape(unit)}</small>{legend}"
        f'</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def _grid(top: float, length_s: float) -> str:
    rows = []
    for part in range(5):
        value = top * part / 4
        y = _y(value, top)
        rows.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
        )
    unit, unit_s = unit_of(length_s)
    every = max(round(length_s / unit_s / 6 / 5) * 5, 1)
    for at in range(0, int(length_s // unit_s) + 1, every):
        x = _x(at * unit_s, length_s)
        rows.append(f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="middle">{at} {unit}</text>')
    return "".join(rows)


def unit_of(length_s: float) -> tuple[str, float]:
    """The unit that a time axis of this length is told in, and its seconds.

    An hour is told in minutes, a day in hours, a fortnight in days.
    """
    for unit, unit_s, least_s in (("d", 86_400.0, 5 * 86_400.0), ("h", 3600.0, 5 * 3600.0)):
        if length_s >= least_s:
            return unit, unit_s
    return "min", 60.0


def _stairs(points: Points) -> Points:
    stairs: list[tuple[float, float]] = []
    for at, value in points:
        if stairs and value == stairs[-1][1]:
            continue
        if stairs:
            stairs.append((at, stairs[-1][1]))
        stairs.append((at, value))
    if points:
        stairs.append((points[-1][0], points[-1][1]))
    return stairs


def _path(points: Points, top: float, length_s: float) -> str:
    return " ".join(f"{_x(at, length_s)},{_y(value, top)}" for at, value in points)


def _x(at: float, length_s: float) -> float:
    share = min(max(at / length_s, 0.0), 1.0) if length_s > 0 else 0.0
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    share = min(max(value / top, 0.0), 1.0)
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)
