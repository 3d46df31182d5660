"""Ramp: a flash crowd is told by its slope before it is told by its size.

Rule: demand that rose twice in a row by far more than it uses to is taken to go on rising for
one horizon and a minute more; a single step up is not, because steps up are common and end where
they are.

Minute by minute: 100, 100, 160, 220 is a ramp (60, then 60 more); 100, 100, 160, 160 is not.
"""

from __future__ import annotations

import math
from array import array

from msgspec import Struct

RISE_S = 60
"""What a rise is measured over; two in a row make a ramp."""

MEAN_S = 30
"""What is smoothed over before."""

UNUSUAL = 4.0
"""A ramp is this much steeper than slopes use to be ..."""

NOTABLE = 0.02
"""... and than this share of demand in ``RISE_S``."""

MEMORY_S = 8640.0
"""Mean age of the slopes that it is held against: a tenth of a day."""

MOST = 2.0
"""A ramp adds at most so many times what there is: slopes end."""

AHEAD_MOST_S = 300.0
"""And is not looked along for longer than this, that minute included."""


def ahead_s(horizon_s: float) -> float:
    """How far along a ramp is looked, seconds: a horizon, and ``RISE_S`` more.

    Half of ``MEAN_S`` because the newest mean is so old; the rest is found, not derived
    (docs/sizing.md): the slope is the lesser of two, and minutes rise in stairs.
    """
    return min(horizon_s + RISE_S, AHEAD_MOST_S)


class RampState(Struct, frozen=True, array_like=True):
    """A ramp as a snapshot has it."""

    values: list[float]
    usual: tuple[float, float]
    projected: float


class Ramp:
    """The newest steps of one workload, and how steep it uses to be."""

    __slots__ = ("_forget", "_held", "_mean", "_rise", "_usual", "_values", "projected")

    def __init__(self, step_s: int) -> None:
        """Nothing was seen; steps are ``step_s`` seconds."""
        self._rise = max(RISE_S // step_s, 1)
        self._mean = max(MEAN_S // step_s, 1)
        self._held = 2 * self._rise + self._mean
        self._forget = min(step_s / MEMORY_S, 1.0)
        self._values = array("d")
        """Oldest first."""
        self._usual = (0.0, 0.0)
        """Sum and weight of past slopes."""
        self.projected = 0.0
        """Demand where the ramp goes on; 0 where there is none."""

    def mean(self, steps: int) -> float:
        """Mean demand of the newest ``steps``, or of as many as there are."""
        newest = self._values[-steps:]
        return math.fsum(newest) / len(newest)

    def add(self, value: float, horizon_s: float, *, gap: bool = False) -> None:
        """One more step of demand; after a ``gap`` nothing is known of how it came to it."""
        values, rise, mean = self._values, self._rise, self._mean
        if gap:
            del values[:]
        values.append(value)
        if len(values) > self._held:
            del values[0]
        self.projected = 0.0
        if len(values) < self._held:
            return
        first, before, now = (values[place : place + mean] for place in (0, rise, 2 * rise))
        mean_of = [math.fsum(part) / mean for part in (first, before, now)]
        slope = min(mean_of[2] - mean_of[1], mean_of[1] - mean_of[0])
        total, weight = self._usual
        usual = max(total / weight if weight else 0.0, NOTABLE * mean_of[2])
        # Apart from each other: a step up within one of them is none of two rises.
        rises = min(now) > max(before) and min(before) > max(first)
        if weight and rises and slope > UNUSUAL * usual:
            on = slope * ahead_s(horizon_s) / RISE_S
            self.projected = mean_of[2] + min(on, MOST * mean_of[2])
        self._usual = (
            total + self._forget * (abs(slope) - total),
            weight + self._forget * (1.0 - weight),
        )

    def state(self) -> RampState:
        """All that is remembered."""
        return RampState(values=self._values.tolist(), usual=self._usual, projected=self.projected)

    @classmethod
    def restored(cls, step_s: int, state: RampState) -> Ramp:
        """The ramp of a state: it goes on as the one that the state was taken of."""
        made = cls(step_s)
        made._values = array("d", state.values)
        made._usual, made.projected = state.usual, state.projected
        return made
