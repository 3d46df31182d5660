"""Charts as inline SVG: lines, steps, bands and spans over time.

Rule: every chart names its unit; colours and dashes come from CSS, so that light, dark and grey
all read; each is drawn for a wide and for a narrow page, so that words keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from lab.report.axes import Axis, Frame, axis, time_ticks, told

WIDE = Frame(css="wide", width=960, height=220, left=56, right=18, top=12, bottom=24, points=900)
NARROW = Frame(
    css="narrow", width=360, height=190, left=44, right=14, top=12, bottom=24, points=300
)
FRAMES = (WIDE, NARROW)

SPAN_HEIGHT, LEAST_SPAN = 6, 1.6
"""Of a mark on the time axis, and how narrow it may be, in the drawing's units."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; ``css`` is its class, ``step`` draws it as stairs.

    Points more than ``gap_s`` apart are not joined: nobody knows what was between them.
    """

    name: str
    css: str
    points: Points
    step: bool = False
    gap_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """An area between two lines of equal times; ``gap_s`` as of a ``Line``."""

    name: str
    css: str
    low: Points
    high: Points
    gap_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Times, each from and to, marked on the time axis."""

    name: str
    css: str
    times: Sequence[tuple[float, float]]


def thinned(points: Points, most: int = WIDE.points) -> Points:
    """At most ``most`` points, keeping the highest of each run, so that peaks stay."""
    if len(points) <= most:
        return points
    run = -(-len(points) // most)
    return [max(points[i : i + run], key=lambda p: p[1]) for i in range(0, len(points), run)]


def unbroken(points: Points, gap_s: float) -> list[Points]:
    """The points in runs, of which none are more than ``gap_s`` apart."""
    breaks = [i for i in range(1, len(points)) if points[i][0] - points[i - 1][0] > gap_s]
    edges = [0, *breaks, len(points)]
    return [points[begin:end] for begin, end in pairwise(edges) if begin < end]


def chart(
    title: str,
    unit: str,
    length_s: float,
    *,
    lines: Sequence[Line],
    bands: Sequence[Band] = (),
    spans: Sequence[Spans] = (),
    limit: tuple[str, float] | None = None,
) -> Markup:
    """One chart.  Times in seconds since the begin, values in ``unit``, from 0 up.

    The first line is drawn on top of the others.
    """
    values = [value for line in lines for _, value in line.points]
    values += [value for band in bands for _, value in band.high]
    if limit is not None:
        values.append(limit[1])
    y = axis(max(values, default=1.0))
    keyed: list[Line | Band | Spans] = [*lines, *bands, *spans]
    drawn = []
    for frame in FRAMES:
        drawing = _Drawing(frame, y, length_s)
        parts = [drawing.grid(), *map(drawing.band, bands), *map(drawing.line, reversed(lines))]
        parts += map(drawing.spans, spans)
        if limit is not None:
            parts.append(drawing.limit(*limit))
        drawn.append(svg(frame, f"{title}, {unit}", parts))
    return figure(title, unit, [(item.css, item.name) for item in keyed], drawn)


def figure(title: str, unit: str, keys: Sequence[tuple[str, str]], drawn: Sequence[str]) -> Markup:
    """A chart with its caption; ``keys`` are class and name, ``drawn`` the drawing by frame."""
    legend = "".join(
        f'<span class="key"><i class="{css}"></i>{escape(name)}</span>' for css, name in keys
    )
    return Markup(  # noqa: S704 - names are escaped here, drawings are ours
        f"<figure><figcaption><b>{escape(title)}</b> <small>{escape(unit)}</small>{legend}"
        f"</figcaption>{''.join(drawn)}</figure>"
    )


def svg(frame: Frame, label: str, parts: Sequence[str]) -> str:
    """The drawing of one frame."""
    return (
        f'<svg class="{frame.css}" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


class _Drawing:
    """One frame's: where a time and a value stand, and what is drawn there."""

    def __init__(self, frame: Frame, y: Axis, length_s: float) -> None:
        self._frame = frame
        self._y_axis = y
        self._length_s = length_s

    def grid(self) -> str:
        frame = self._frame
        rows = [frame.rule(self._y(tick), told(tick)) for tick in self._y_axis.ticks]
        every_s, unit, unit_s = time_ticks(self._length_s, frame.most_ticks)
        for number in range(int(self._length_s / every_s + 1e-9) + 1):
            text = f"{number * every_s / unit_s:g} {unit}"
            rows.append(frame.below(self._x(number * every_s), text))
        return "".join(rows)

    def band(self, band: Band) -> str:
        drawn = []
        runs = zip(unbroken(band.high, band.gap_s), unbroken(band.low, band.gap_s), strict=True)
        for high, low in runs:
            most = self._share(len(high), len(band.high))
            outline = [*thinned(high, most), *reversed(thinned(low, most))]
            drawn.append(f'<polygon class="band {band.css}" points="{self._path(outline)}"/>')
        return "".join(drawn)

    def line(self, line: Line) -> str:
        drawn = []
        for run in unbroken(line.points, line.gap_s):
            most = self._share(len(run), len(line.points))
            points = _stairs(run, most) if line.step else thinned(run, most)
            drawn.append(f'<polyline class="{line.css}" points="{self._path(points)}"/>')
        return "".join(drawn)

    def spans(self, spans: Spans) -> str:
        top = self._y(0.0) - SPAN_HEIGHT
        found = []
        for begin, end in spans.times:
            x = self._x(begin)
            width = max(round(self._x(end) - x, 1), LEAST_SPAN)
            found.append(
                f'<rect class="{spans.css}" x="{x}" y="{top}" width="{width}" '
                f'height="{SPAN_HEIGHT}"/>'
            )
        return "".join(found)

    def limit(self, name: str, value: float) -> str:
        frame, y = self._frame, self._y(value)
        return (
            f'<line class="limit" x1="{frame.left}" x2="{frame.x_end}" y1="{y}" y2="{y}"/>'
            f'<text class="limit" x="{frame.x_end - 4}" y="{y - 4}" text-anchor="end">'
            f"{escape(name)}</text>"
        )

    def _share(self, part: int, whole: int) -> int:
        """Of the points that a drawing has, those of a part; at least its ends."""
        return max(self._frame.points * part // whole, 2)

    def _path(self, points: Points) -> str:
        return " ".join(f"{self._x(at)},{self._y(value)}" for at, value in points)

    def _x(self, at: float) -> float:
        return self._frame.x(at / self._length_s if self._length_s > 0 else 0.0)

    def _y(self, value: float) -> float:
        return self._frame.y(self._y_axis.share(value))


def _stairs(points: Points, most: int) -> Points:
    changes = [point for i, point in enumerate(points) if i == 0 or point[1] != points[i - 1][1]]
    stairs: list[tuple[float, float]] = []
    for at, value in thinned(changes, most):
        if stairs:
            stairs.append((at, stairs[-1][1]))
        stairs.append((at, value))
    if points:
        stairs.append((points[-1][0], stairs[-1][1]))
    return stairs
