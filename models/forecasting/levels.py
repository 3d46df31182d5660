"""Levels: averages of the past at several spans, and a damped trend.

Rule: an average is of what was seen, not of the first value (its weights sum to one from the
first step on); over a gap the past fades as if time had passed, and nothing is made up for it.
Where demand has moved to another level for good minutes, what it was before is no guide to the
next ones: averages of minutes, and the trend, begin anew there.
Flow: Forecaster.close -> Levels -> experts, features, scale.
"""

from __future__ import annotations

import math
from array import array

from models.forecasting.grid import gain, keep

HALF_LIVES_S = (60.0, 300.0, 900.0, 3600.0)
"""Of the averages, seconds: from a few steps of the live grid to about an hour of noise."""

TREND_LEVEL_S = 120.0
TREND_SLOPE_S = 600.0
TREND_DAMPING_S = 300.0
"""Half-lives of the trend's level, its slope, and of how long a slope goes on: a rise of the last
minutes says something of the next few (Gardner and McKenzie, 1985)."""

SHIFT_S = 120.0
"""So long on one side, and unusually far, is another level; at least two steps."""

_COUNT = len(HALF_LIVES_S)

_NUMBERS = _COUNT + 6
"""Of a state."""

_FROM = 1
"""Place of the average that a shift is told by."""

_SHIFTING = 3
"""Averages that a shift moves: all but the hour's, which is what there is to come back to."""


class Levels:
    """Averages by ``HALF_LIVES_S``, level and slope of a trend (per second), in demand."""

    __slots__ = ("_age_s", "_apart", "_held")

    def __init__(self, state: bytes = b"") -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        held = array("d", state) or array("d", bytes(8 * _NUMBERS))
        if len(held) != _NUMBERS:
            raise ValueError(f"{len(held)} numbers are not the {_NUMBERS} of levels")
        self._apart = held[-4], held[-3], held[-2]
        """Values in a row that are unusually far on one side (below: negative): how many, their
        sum, and for how many seconds."""
        self._age_s = held[-1]
        """Seconds since before the first value."""
        self._held = held[:-4]

    def state(self) -> bytes:
        """Everything, as 64-bit floats."""
        return self._held.tobytes() + array("d", [*self._apart, self._age_s]).tobytes()

    @property
    def averages(self) -> array[float]:
        """By ``HALF_LIVES_S``."""
        return self._held[:_COUNT]

    @property
    def age_s(self) -> float:
        """Seconds since before the first value, gaps included."""
        return self._age_s

    def add(
        self,
        value: float,
        elapsed_s: float,
        unusual: float = math.inf,
        step_s: float = math.inf,
    ) -> None:
        """A step's value, ``elapsed_s`` after the one before it.

        ``unusual``: how far from the average of 5 minutes values are no noise, in demand.
        ``step_s``: of what is longer ago than a step the value says nothing.
        """
        held = self._held
        first = self._age_s == 0.0
        if not first:
            self._watch(value, min(elapsed_s, step_s), unusual)
        self._age_s = age_s = self._age_s + elapsed_s
        for place, half_life_s in enumerate(HALF_LIVES_S):
            held[place] += gain(half_life_s, elapsed_s, age_s) * (value - held[place])
        if first:
            held[_COUNT], held[_COUNT + 1] = value, 0.0
            return
        before, slope = held[_COUNT], held[_COUNT + 1]
        faded = slope * keep(TREND_DAMPING_S, elapsed_s)
        past = keep(TREND_LEVEL_S, elapsed_s)
        level = (1.0 - past) * value + past * (before + faded * elapsed_s)
        past = keep(TREND_SLOPE_S, elapsed_s)
        held[_COUNT] = level
        held[_COUNT + 1] = past * faded + (1.0 - past) * (level - before) / elapsed_s

    def _watch(self, value: float, step_s: float, unusual: float) -> None:
        """Begin anew where demand has been at another level for ``SHIFT_S``."""
        far = value - self._held[_FROM]
        count, total, lasted_s = self._apart
        if abs(far) <= unusual or far * count < 0.0:
            count = total = lasted_s = 0.0
        if abs(far) > unusual:
            count += math.copysign(1.0, far)
            total, lasted_s = total + value, lasted_s + step_s
        if abs(count) > 1.0 and lasted_s >= SHIFT_S:
            level = total / abs(count)
            for place in (*range(_SHIFTING), _COUNT):
                self._held[place] = level
            self._held[_COUNT + 1] = 0.0
            count, total, lasted_s = math.copysign(1.0, far), value, step_s
        self._apart = count, total, lasted_s

    def trend(self, ahead_s: float, step_s: float) -> float:
        """Level and damped slope, ``ahead_s`` ahead on a grid of ``step_s``; never below 0.

        The slope goes on for step_s * (d + d^2 + ... + d^n), d = 0.5 ** (step / damping).
        """
        damping = keep(TREND_DAMPING_S, step_s)
        goes_on_s = step_s * damping * (1.0 - math.pow(damping, ahead_s / step_s)) / (1.0 - damping)
        return max(self._held[_COUNT] + self._held[_COUNT + 1] * goes_on_s, 0.0)
