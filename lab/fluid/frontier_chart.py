"""The frontier as inline SVG: cost over violation, every candidate a dot, every policy a named one.

Rule: the violation axis is the square root, so that a tenth of a per cent can be told from none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from lab.fluid.backtest import Backtest, Row
from lab.report.charts import BOTTOM, LEFT, RIGHT, TOP, WIDTH

HEIGHT = 340
MOST_VIOLATION, MOST_COST = 0.05, 2.0
"""Ends of the axes; what has more stands at the end, and says its number."""

NAME_WIDTH, NAME_HEIGHT = 6.5, 14
"""Of a name's letter, in the drawing's units."""

MOVES = tuple(sign * NAME_HEIGHT * step for step in range(40) for sign in (1, -1))
"""Where a name may go, nearest first."""

CLASSES = {"foretide": "ours", "hpa": "hpa", "hpa-tuned": "hpa", "clairvoyant": "oracle"}
TICKS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05)


def frontier_chart(found: Backtest) -> Markup:
    """Costs are multiples of the clairvoyant's."""
    unit = found.unit
    rows = [row for row in found.rows if row.cost_ratio is not None and row.violation is not None]
    points = [(violation, cost / unit) for violation, cost in found.tuned.points()]
    top = _top([row.cost_ratio or 1.0 for row in rows])
    parts = [_grid(top)]
    for candidate in found.tuned.candidates:
        cost = candidate.score.cost / unit
        if candidate.score.violation <= MOST_VIOLATION and cost <= top:
            x, y = _x(candidate.score.violation), _y(cost, top)
            parts.append(f'<circle class="candidate" cx="{x}" cy="{y}" r="2.5"/>')
    drawn = [(v, c) for v, c in points if v <= MOST_VIOLATION and c <= top]
    line = " ".join(f"{_x(violation)},{_y(cost, top)}" for violation, cost in drawn)
    parts.append(f'<polyline class="candidate" points="{line}"/>')
    parts.append(_budget(found.trial.violations))
    parts += _named(rows, top)
    return Markup(  # noqa: S704 - names are escaped, numbers are ours
        "<figure><figcaption><b>Cost over violation</b> <small>multiples of the clairvoyant "
        "schedule; share of requests</small>"
        '<span class="key"><i class="candidate"></i>144 HPAs on this trace, and their frontier'
        f'</span></figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Cost over violation">{"".join(parts)}</svg></figure>'
    )


def _top(costs: Sequence[float]) -> float:
    """The highest cost shown, in steps of a fifth, at most ``MOST_COST``."""
    return min(max(math.ceil(max(costs, default=1.0) * 5 + 0.5) / 5, 1.4), MOST_COST)


def _grid(top: float) -> str:
    rows = []
    for tick in TICKS:
        x = _x(tick)
        rows.append(
            f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="middle">{tick * 100:g} %</text>'
        )
    for part in range(5):
        cost = 1 + (top - 1) * part / 4
        y = _y(cost, top)
        rows.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{cost:.2f}</text>'
        )
    return "".join(rows)


def _budget(violations: float) -> str:
    x = _x(violations)
    return (
        f'<line class="limit" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="limit" x="{x + 4}" y="{HEIGHT - BOTTOM - 6}">budget</text>'
    )


def _named(rows: Sequence[Row], top: float) -> list[str]:
    """A dot and a name each; a name that would lie on another moves up or down."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for row in rows:
        violation, cost = row.violation or 0.0, row.cost_ratio or 0.0
        x, y = _x(violation), _y(cost, top)
        text = row.policy
        if violation > MOST_VIOLATION:
            text += f" ({violation:.1%})"
        if cost > top:
            text += f" ({cost:.2f})"
        width = len(text) * NAME_WIDTH
        left = x > WIDTH * 0.75
        begin = x - 8 - width if left else x + 8
        at = next(
            y + moved
            for moved in MOVES
            if TOP <= y + moved <= HEIGHT - BOTTOM
            and not any(
                abs(y + moved - other) < NAME_HEIGHT and begin < to and since < begin + width
                for since, to, other in taken
            )
        )
        taken.append((begin, begin + width, at))
        css = CLASSES.get(row.policy, "static" if row.policy == "static" else "other")
        anchor, placed = ("end", x - 8) if left else ("start", x + 8)
        parts.append(
            f'<circle class="{css}" cx="{x}" cy="{y}" r="5"/><text class="name" x="{placed}" '
            f'y="{at + 4}" text-anchor="{anchor}">{escape(text)}</text>'
        )
    return parts


def _x(violation: float) -> float:
    share = math.sqrt(min(max(violation, 0.0), MOST_VIOLATION) / MOST_VIOLATION)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(cost: float, top: float) -> float:
    share = min(max((cost - 1.0) / (top - 1.0), 0.0), 1.0)
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)
