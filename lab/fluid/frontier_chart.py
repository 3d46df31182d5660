"""The frontier as inline SVG: cost over violation, every candidate a dot, every policy a named one.

Rule: the axes show what is near the budget; what lies beyond stands in a margin of its own, with
its number.  The violation axis is the square root, so that a tenth of a per cent can be told
from none.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from lab.fluid.backtest import Backtest, Row
from lab.fluid.labels import Box, Labels, width_of
from lab.fluid.verdict import HINDSIGHT
from lab.report.axes import TIMES, Axis, Frame, axis, told
from lab.report.charts import figure, svg

WIDE = Frame(css="wide", width=960, height=370, left=56, right=18, top=24, bottom=26)
NARROW = Frame(css="narrow", width=360, height=380, left=44, right=14, top=24, bottom=26)

BUDGETS = 5.0
"""So many budgets of violations are shown at most."""

MOST_COST = 2.0
"""The highest cost shown, unless Foretide's is above it."""

SLIM = 0.35
"""Of the width, what a margin on the right may take; else names go into the drawing."""

LANE = 17
"""Height of a name above the drawing."""

SIZE = 5.5
"""Half of a mark's width."""

TICKS = (0.0, 1e-4, 1e-3, 5e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
TICK_WIDTH = 46


def frontier_chart(found: Backtest) -> Markup:
    """Costs are multiples of the clairvoyant's."""
    rows = [row for row in found.rows if row.cost_ratio is not None and row.violation is not None]
    title = "Cost over violations"
    unit = "up: multiples of the least possible; right: share of requests; lower left is best"
    keys = [("mark ours", "Foretide"), ("mark other", "other policies")]
    if any(row.policy in HINDSIGHT for row in rows):
        keys.append(("mark hindsight", "chosen with hindsight"))
    keys.append(("candidate", f"{len(found.tuned.candidates)} HPAs on this trace, and the best"))
    drawn = [
        svg(frame, f"{title}, {unit}", _Drawing(frame, found, rows).parts())
        for frame in (WIDE, NARROW)
    ]
    return figure(title, unit, keys, drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A policy on the drawing.  ``right``, ``above``: it lies beyond that end."""

    row: Row
    violation: float
    cost: float
    right: bool
    above: bool
    below: bool

    @property
    def text(self) -> str:
        """Its name, and what the axes do not show."""
        beyond = [f"{self.violation * 100:.3g} %"] if self.right else []
        if self.above or self.below:
            beyond.append(f"{self.cost:.2f}{TIMES}")
        return " ".join([self.row.policy, ", ".join(beyond)]).strip()


def violation_end(violations: Sequence[float], budget: float) -> float:
    """Where the violation axis ends: twice the budget, more for who is near, at most ``BUDGETS``.

    No budget counts as 1 %.
    """
    base = budget or 0.01
    most = min(BUDGETS * base, 1.0)
    wanted = max([2 * base, *(violation for violation in violations if violation <= most)])
    return min(next((tick for tick in TICKS if tick >= wanted), most), most)


def points_of(rows: Sequence[Row], end: float) -> tuple[Axis, list[Point]]:
    """The cost axis, of those within the violation axis, and every policy on it."""
    pairs = [(row, row.violation or 0.0, row.cost_ratio or 0.0) for row in rows]
    ours = max((cost for row, _, cost in pairs if row.policy == "foretide"), default=0.0)
    most = max(MOST_COST, ours)
    shown = [cost for _, violation, cost in pairs if violation <= end and cost <= most]
    y = axis(max([1.2, *shown]), min([1.0, *shown]))
    return y, [
        Point(
            row=row,
            violation=violation,
            cost=cost,
            right=violation > end,
            above=cost > y.high,
            below=cost < y.low,
        )
        for row, violation, cost in pairs
    ]


class _Drawing:
    """One frame's, with margins for what lies beyond."""

    def __init__(self, frame: Frame, found: Backtest, rows: Sequence[Row]) -> None:
        self._found = found
        self._end = violation_end([row.violation or 0.0 for row in rows], found.trial.violations)
        self._y_axis, self._points = points_of(rows, self._end)
        beyond = [width_of(point.text) for point in self._points if point.right]
        margin = max(beyond) + 14 if beyond else 0
        self._slim = margin > SLIM * frame.width
        self._lanes = [point for point in self._points if point.above and not point.right]
        self._whole = frame
        self._frame = dataclasses.replace(
            frame,
            right=frame.right + (10 if self._slim else round(margin)),
            top=frame.top + LANE * len(self._lanes),
        )

    def parts(self) -> list[str]:
        """All of it, from back to front."""
        return [self._grid(), self._budget(), self._candidates(), *self._named()]

    def _grid(self) -> str:
        frame = self._frame
        parts = [frame.rule(self._y(tick), f"{told(tick)}{TIMES}") for tick in self._y_axis.ticks]
        last = -math.inf
        for tick in TICKS:
            x = self._x(tick)
            if tick > self._end or x - last < TICK_WIDTH:
                continue
            last = x
            parts.append(
                f'<line class="grid" x1="{x}" x2="{x}" y1="{frame.top}" y2="{frame.y_end}"/>'
                f'<text x="{x}" y="{frame.y_end + 16}" text-anchor="middle">'
                f"{tick * 100:g} %</text>"
            )
        if frame.right > self._whole.right:
            parts.append(
                f'<rect class="beyond" x="{frame.x_end + 4}" y="{frame.top}" '
                f'width="{frame.right - 6}" height="{frame.y_end - frame.top}"/>'
                f'<text x="{frame.width - 6}" y="{frame.y_end + 16}" text-anchor="end">'
                f"{'' if self._slim else f'beyond {self._end * 100:.3g} %'}</text>"
            )
        return "".join(parts)

    def _budget(self) -> str:
        frame, budget = self._frame, self._found.trial.violations
        x = self._x(budget)
        return (
            f'<rect class="kept" x="{frame.left}" y="{frame.top}" '
            f'width="{round(x - frame.left, 1)}" height="{frame.y_end - frame.top}"/>'
            f'<line class="limit" x1="{x}" x2="{x}" y1="{self._whole.top - 6}" y2="{frame.y_end}"/>'
            f'<text class="limit" x="{x + 5}" y="{self._whole.top - 8}">budget '
            f"{budget * 100:g} %</text>"
        )

    def _candidates(self) -> str:
        unit, parts = self._found.unit, []
        if not unit:  # Nobody needed a replica: there is nothing to be a multiple of.
            return ""
        for candidate in self._found.tuned.candidates:
            cost, violation = candidate.score.cost / unit, candidate.score.violation
            if self._inside(violation, cost):
                x, y = self._x(violation), self._y(cost)
                parts.append(f'<circle class="candidate" cx="{x}" cy="{y}" r="2.5"/>')
        best = [(v, cost / unit) for v, cost in self._found.tuned.points()]
        line = " ".join(f"{self._x(v)},{self._y(c)}" for v, c in best if self._inside(v, c))
        return "".join([*parts, f'<polyline class="candidate" points="{line}"/>'])

    def _named(self) -> list[str]:
        places = [self._place(point) for point in self._points]
        marks = [Box.around(x, y, SIZE + 1.5) for x, y in places]
        labels = Labels(marks, top=4.0, bottom=self._frame.y_end + 8.0)
        parts = []
        for point, (x, y) in zip(self._points, places, strict=True):
            margin = point.right and not self._slim
            begin = self._frame.x_end + 4 if margin else self._frame.left
            end = self._whole.width if point.right or point.above else self._frame.x_end
            label = labels.place(point.text, x, y, left=begin, right=end)
            css = _css(point.row.policy)
            parts.append(f"{label.leader()}{_mark(css, x, y, self._arrow(point))}")
            parts.append(
                f'<text class="name" x="{label.x}" y="{label.y}" text-anchor="{label.anchor}">'
                f"{escape(point.text)}</text>"
            )
        return parts

    def _arrow(self, point: Point) -> int | None:
        """Where it points, degrees; None: it stands where it is."""
        if point.right:
            return 90
        return 0 if point.above else None

    def _place(self, point: Point) -> tuple[float, float]:
        frame = self._frame
        if point.right:
            return frame.x_end + 12.0, self._y(point.cost)
        if point.above:
            lane = self._lanes.index(point)
            return self._x(point.violation), frame.top - LANE * (lane + 0.5)
        return self._x(point.violation), self._y(point.cost)

    def _inside(self, violation: float, cost: float) -> bool:
        return violation <= self._end and self._y_axis.low <= cost <= self._y_axis.high

    def _x(self, violation: float) -> float:
        return self._frame.x(math.sqrt(max(violation, 0.0) / self._end))

    def _y(self, cost: float) -> float:
        return self._frame.y(self._y_axis.share(cost))


def _css(policy: str) -> str:
    colour = {"foretide": "ours", "clairvoyant": "oracle", "static": "static"}.get(
        policy, "hpa" if policy in {"hpa", "hpa-tuned"} else "other"
    )
    return f"mark {colour}{' hindsight' if policy in HINDSIGHT else ''}"


def _mark(css: str, x: float, y: float, arrow: int | None) -> str:
    """A triangle for what lies beyond; else a diamond for ours, a square with hindsight, a dot."""
    size = SIZE
    if arrow is not None:
        path = f"M0 {-size}L{size} {size}L{-size} {size}Z"
        return f'<path class="{css}" transform="translate({x} {y}) rotate({arrow})" d="{path}"/>'
    if "ours" in css:
        r = size + 2
        return f'<path class="{css}" d="M{x} {y - r}l{r} {r}l{-r} {r}l{-r} {-r}Z"/>'
    if "hindsight" in css:
        return (
            f'<rect class="{css}" x="{x - size + 0.5}" y="{y - size + 0.5}" '
            f'width="{2 * size - 1}" height="{2 * size - 1}"/>'
        )
    return f'<circle class="{css}" cx="{x}" cy="{y}" r="{size}"/>'
