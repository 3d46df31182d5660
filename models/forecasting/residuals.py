"""Residuals: what forecasts missed by, in scales, as a histogram that fades; and its quantiles.

Rule: constant memory, about a day of past at any step; within a bin quantiles run straight.
Source: decaying histograms, as in Kubernetes' VPA recommender.
Flow: Forecaster: residuals -> Residuals -> Bands.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from itertools import accumulate

from models.forecasting.grid import LEAST_KEPT, keep

HALF_LIFE_S = 43_200.0
"""Of what was seen: half a day, so that about a day of it counts."""

BINS = 64
BELOW = 16
"""Bins below 0: what is asked for is above the centre, so that is where most of them are."""

NEAR = 0.3
WORST = 30.0
"""Edges are NEAR * sinh(k * step): equal ones near 0, 11 % wider each further off; the last bin
ends at ``WORST`` scales, and what is beyond is in it."""

_PER_BIN = math.asinh(WORST / NEAR) / (BINS - BELOW)
EDGES: tuple[float, ...] = tuple(
    NEAR * math.sinh((edge - BELOW) * _PER_BIN) for edge in range(BINS + 1)
)

_FULL = 1e12
"""Weight of a newest residual at which all are made smaller again."""


class Residuals:
    """A fading histogram of scaled residuals."""

    __slots__ = ("_held", "_sums", "_weight")

    def __init__(self, state: tuple[float, bytes] = (1.0, b"")) -> None:
        """``state`` is what ``state`` gave."""
        self._weight, held = state
        """The weight that the newest one had."""
        self._held = array("f", held) or array("f", bytes(4 * BINS))
        self._sums: array[float] | None = None
        """Cumulated, until one more is added."""

    def state(self) -> tuple[float, bytes]:
        """What ``__init__`` takes; empty bytes: nothing was seen."""
        return self._weight, self._held.tobytes() if any(self._held) else b""

    def add(self, residual: float, elapsed_s: float) -> None:
        """Add one, ``elapsed_s`` after the one before: what is older fades.

        No old one is touched: the weight of the newest grows instead.
        """
        self._weight /= max(keep(HALF_LIFE_S, elapsed_s), LEAST_KEPT)
        place = math.floor(math.asinh(residual / NEAR) / _PER_BIN) + BELOW
        self._held[min(max(place, 0), BINS - 1)] += self._weight
        self._sums = None
        if self._weight > _FULL:
            self.fade(1.0)

    def fade(self, factor: float) -> None:
        """All that was seen counts ``factor`` times what it did."""
        scale = factor / self._weight
        self._held = array("f", [weight * scale for weight in self._held])
        self._weight = 1.0
        self._sums = None

    def quantile(self, level: float) -> float:
        """The residual at ``level``; 0 with nothing seen.

        Of residuals spread evenly over 0 to 1 the 0.95 quantile is about 0.95.
        """
        sums = self._sums
        if sums is None:
            sums = self._sums = array("f", accumulate(self._held))
        wanted = level * sums[-1]
        if wanted <= 0.0:
            return 0.0
        place = bisect_left(sums, wanted)
        if place >= BINS:  # 32 bits round.
            return EDGES[-1]
        below = sums[place - 1] if place else 0.0
        begin = EDGES[place]
        return begin + (wanted - below) / (sums[place] - below) * (EDGES[place + 1] - begin)
