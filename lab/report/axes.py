"""Axes and frames of charts: where a value stands, which ticks there are, how they are written.

Rule: an axis ends at the first tick above what is shown, so that the drawing is filled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

UNITS = (
    ("d", 86_400.0, 5 * 86_400.0, (1, 2, 7, 14, 28, 56)),
    ("h", 3600.0, 5 * 3600.0, (1, 2, 3, 6, 12, 24, 48)),
    ("min", 60.0, 0.0, (1, 2, 5, 10, 15, 30, 60, 120)),
)
"""Of a time axis: name, seconds, from which length on, and how many there may be to a tick."""

MOST_PARTS = 6
"""Parts of an axis of values, at most."""

TIMES = "\N{MULTIPLICATION SIGN}"

LETTER = 6.2
"""Width of a letter, in the drawing's units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From ``low`` in ``parts`` steps."""

    low: float
    step: float
    parts: int

    @property
    def high(self) -> float:
        """Where it ends."""
        return self.low + self.step * self.parts

    @property
    def ticks(self) -> list[float]:
        """Both ends included."""
        return [self.low + self.step * part for part in range(self.parts + 1)]

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high; beyond them for what lies beyond."""
        return (value - self.low) / (self.high - self.low)


def axis(most: float, least: float = 0.0) -> Axis:
    """From the tick below ``least`` to the one above ``most``, in steps of 1, 2, 5, 10, ...

    5400 gives 0 to 6000 by 1000; 35 gives 0 to 40 by 10; 0.68 to 2.63 gives 0.5 to 3 by 0.5.
    """
    span = most - least
    if not 0 < span < math.inf:
        return Axis(low=least, step=1.0, parts=1)
    power = 10.0 ** math.floor(math.log10(span / MOST_PARTS))
    step = next(power * f for f in (1, 2, 5, 10) if span / (power * f) <= MOST_PARTS * (1 + 1e-9))
    low = math.floor(least / step + 1e-9)
    high = max(math.ceil(most / step - 1e-9), low + 1)
    return Axis(low=low * step, step=step, parts=high - low)


def told(value: float) -> str:
    """A tick's number: 0.5, 40, 6,000, 2.5 M."""
    rounded = round(value, 9)
    if abs(rounded) >= 1e6:  # noqa: PLR2004 - a million
        return f"{rounded / 1e6:,g} M"
    return f"{rounded:,g}"


def unit_of(length_s: float) -> tuple[str, float]:
    """The unit that a time axis of this length is told in, and its seconds.

    An hour is told in minutes, a day in hours, a fortnight in days.
    """
    return next((unit, unit_s) for unit, unit_s, least_s, _ in UNITS if length_s >= least_s)


def time_ticks(length_s: float, most: int) -> tuple[float, str, float]:
    """Seconds from tick to tick, of which there are at most ``most``; the unit, its seconds."""
    unit, unit_s = unit_of(length_s)
    steps = next(steps for name, _, _, steps in UNITS if name == unit)
    fits = (step for step in steps if length_s / (step * unit_s) <= most)
    step = next(fits, math.ceil(length_s / unit_s / most))
    return step * unit_s, unit, unit_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A drawing's size and margins, in its own units; ``points`` of a line at most."""

    css: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    points: int = 900

    @property
    def x_end(self) -> int:
        """Where the drawing ends on the right."""
        return self.width - self.right

    @property
    def y_end(self) -> int:
        """Where it ends below."""
        return self.height - self.bottom

    @property
    def most_ticks(self) -> int:
        """Ticks of the axis below, at most."""
        return max((self.x_end - self.left) // 75, 2)

    def x(self, share: float) -> float:
        """Of a share of the width, 0 to 1; the nearer end for what lies beyond."""
        inside = min(max(share, 0.0), 1.0)
        return round(self.left + inside * (self.x_end - self.left), 1)

    def y(self, share: float) -> float:
        """Of a share of the height, from below."""
        inside = min(max(share, 0.0), 1.0)
        return round(self.top + (1 - inside) * (self.y_end - self.top), 1)

    def rule(self, y: float, text: str) -> str:
        """A line across, and its number on the left."""
        return (
            f'<line class="grid" x1="{self.left}" x2="{self.x_end}" y1="{y}" y2="{y}"/>'
            f'<text x="{self.left - 6}" y="{y + 4}" text-anchor="end">{text}</text>'
        )

    def below(self, x: float, text: str) -> str:
        """A number under the drawing, within its width."""
        anchor, at = "middle", x
        if x + len(text) * LETTER / 2 > self.width:
            anchor, at = "end", float(self.width - 1)
        return f'<text x="{at}" y="{self.height - 6}" text-anchor="{anchor}">{text}</text>'
