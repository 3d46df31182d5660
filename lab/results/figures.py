"""The document's figures as SVG files of their own: readable on a light and on a dark page.

Rule: points are cells' figures; what lies beyond an axis is drawn at its end, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lab.results.cell import Found
from lab.results.targets import Verdict

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 56, 48

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #d0d7de; stroke-width: 1 } .limit { stroke: #c92a2a; stroke-dasharray: 5 4 }
.kept { fill: #2b8a3e; opacity: .10 } polyline { fill: none; stroke-width: 2 }
.ours { stroke: #0b7285; fill: #0b7285 } .tuned { stroke: #d9480f; fill: #d9480f }
.weeks { stroke: #0b7285; fill: none; stroke-width: 1.5 }
.small { fill: #0b7285; stroke: none; opacity: .35 } polyline.ours, polyline.tuned { fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #f0f6fc } .grid { stroke: #3d444d }
.limit { stroke: #ff8787 } .kept { fill: #69db7c; opacity: .14 }
.ours { stroke: #3bc9db; fill: #3bc9db } .tuned { stroke: #ff922b; fill: #ff922b }
.small { fill: #3bc9db } .weeks { stroke: #3bc9db } polyline.ours, polyline.tuned { fill: none } }
</style>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From ``low`` to ``high``; ``shape`` spreads 0 to 1, ``told`` writes a tick."""

    name: str
    low: float
    high: float
    ticks: Sequence[float]
    told: Callable[[float], str]
    shape: Callable[[float], float] = float

    def place(self, value: float) -> float:
        """0 to 1, at the nearer end for what lies beyond."""
        share = (value - self.low) / (self.high - self.low)
        return self.shape(min(max(share, 0.0), 1.0))


VIOLATION = Axis(
    name="violations, % of requests (square root)",
    low=0.0,
    high=0.12,
    ticks=(0.0, 0.001, 0.005, 0.01, 0.03, 0.06, 0.1),
    told=lambda value: f"{value * 100:g}",
    shape=math.sqrt,
)


def frontier(trace: str, founds: Sequence[Found]) -> str:
    """Foretide's frontier over ``slo.violations`` against hpa-tuned's, of one trace."""
    ours = []
    for found in founds:
        row = found.row("foretide")
        if row.cost_ratio is not None and row.violation is not None:
            ours.append((row.violation, row.cost_ratio, found.cell.violations))
    ours.sort(key=lambda point: point[2])
    tuned = [point for point in founds[0].frontier if point[0] <= VIOLATION.high]
    y = _costs([cost for _, cost, _ in ours] + [cost for _, cost in tuned])
    startup = founds[0].cell.startup_s
    parts = [_frame(f"{trace}, start-up {startup:g} s: cost by violations", VIOLATION, y)]
    parts.append(_line("tuned", [(_x(VIOLATION, v), _y(y, c)) for v, c in tuned]))
    parts += [_dot("tuned", _x(VIOLATION, v), _y(y, c), 2.5) for v, c in tuned]
    parts.append(_line("ours", [(_x(VIOLATION, v), _y(y, c)) for v, c, _ in ours]))
    named: dict[tuple[float, float], list[str]] = {}
    for violation, cost, budget in ours:
        at = _x(VIOLATION, violation), _y(y, cost)
        named.setdefault(at, []).append(f"{budget * 100:g} %")
    for at, budgets in named.items():
        parts.append(_dot("ours", *at, 5))
        parts.append(f'<text x="{at[0] + 9}" y="{at[1] - 7}">{", ".join(budgets)}</text>')
    parts += _keys((("ours", "Foretide, by its budget"), ("tuned", "144 HPAs, after the fact")))
    return _svg(parts)


def against_tuned(
    traces: Sequence[Verdict], weeks: Sequence[Verdict], compositions: Sequence[Verdict]
) -> str:
    """Every cell: cost over hpa-tuned's at equal violation, by the violation Foretide had."""
    y = Axis(
        name="cost over hpa-tuned's at equal violation",
        low=0.6,
        high=1.4,
        ticks=(0.6, 0.8, 1.0, 1.2, 1.4),
        told=lambda value: f"{value:.1f}",
    )
    parts = [_frame("Every backtest: the targets are in the green corner", VIOLATION, y)]
    budget = (traces or compositions)[0].found.cell.violations
    right, top = _x(VIOLATION, budget), _y(y, 1.0)
    parts.insert(
        1,
        f'<rect class="kept" x="{LEFT}" y="{top}" width="{right - LEFT:.1f}" '
        f'height="{HEIGHT - BOTTOM - top:.1f}"/>',
    )
    beyond = 0
    layers = (("small", 3.0, compositions), ("weeks", 4.0, weeks), ("ours", 5.0, traces))
    for css, radius, verdicts in layers:
        for verdict in verdicts:
            violation, cost = verdict.ours.violation, verdict.ours.cost_vs_tuned
            if violation is None or cost is None:
                continue
            beyond += not (violation <= VIOLATION.high and y.low <= cost <= y.high)
            parts.append(_dot(css, _x(VIOLATION, violation), _y(y, cost), radius))
    if beyond:
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{TOP - 8}" text-anchor="end">{beyond} beyond an axis, '
            "drawn at its end</text>"
        )
    keys = (("ours", "traces"), ("weeks", "weeks composed"), ("small", "hours composed"))
    parts += _keys(keys if weeks else (keys[0], keys[2]))
    return _svg(parts)


def _costs(costs: Sequence[float]) -> Axis:
    """From the least to the most of ``costs``, at most two above the least, in whole steps."""
    least, most = min(costs, default=1.0), max(costs, default=1.1)
    span = min(max(most - least, 0.1), 2.0)
    step = next(step for step in (0.05, 0.1, 0.2, 0.5) if span <= 6 * step)
    low = math.floor(least / step)
    count = math.ceil((least + span) / step) - low
    return Axis(
        name="cost, multiples of the clairvoyant's",
        low=low * step,
        high=(low + count) * step,
        ticks=[(low + part) * step for part in range(count + 1)],
        told=lambda value: f"{value:.2f}",
    )


def _frame(title: str, x: Axis, y: Axis) -> str:
    parts = [f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>']
    for tick in x.ticks:
        at = _x(x, tick)
        parts.append(
            f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x.told(tick)}</text>'
        )
    for tick in y.ticks:
        at = _y(y, tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
            f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{y.told(tick)}</text>'
        )
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(x.name)}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">up: {escape(y.name)}</text>'
    )
    return "".join(parts)


def _keys(keys: Sequence[tuple[str, str]]) -> list[str]:
    parts, x = [], float(LEFT)
    for css, text in keys:
        parts.append(f'{_dot(css, x + 5, 38, 5)}<text x="{x + 16}" y="42">{escape(text)}</text>')
        x += 40 + 7.2 * len(text)
    return parts


def _dot(css: str, x: float, y: float, radius: float) -> str:
    return f'<circle class="{css}" cx="{x}" cy="{y}" r="{radius:g}"/>'


def _line(css: str, points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="{css}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


def _x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(TOP + (1.0 - axis.place(value)) * (HEIGHT - TOP - BOTTOM), 1)


def _svg(parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">{STYLE}\n{body}\n</svg>\n'
    )
