"""Residuals: what forecasts missed by, in scales, as a histogram that fades; and its quantiles.

Rule: constant memory, a day of past at any step; between the edges of a bin quantiles run
straight, and adaptive conformal inference corrects the level that is asked for, so that the
coverage holds when the past is no guide.
Sources: decaying histograms, Kubernetes' VPA recommender; Gibbs and Candes, *Adaptive conformal
inference under distribution shift*, NeurIPS 2021: a_(t+1) = a_t + rate (a - missed_t).
Flow: Forecaster: residuals -> Residuals -> quantiles, chance of overload.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from models.forecasting.grid import keep

HALF_LIFE_S = 43_200.0
"""Of what was seen: half a day, so that about a day of it counts, as for the yardstick."""

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

ENOUGH = 20
"""Residuals below which a quantile is not claimed."""

ANCHORS = (0.90, 0.95, 0.99)
"""Levels whose coverage is watched; those between them are corrected in between."""

RATE = 0.005
"""Of the correction, one promise in flight, for a chance of a miss of 0.05 (others in
proportion); with n in flight, that overlap, it is over sqrt(n)."""

NARROWEST = 0.5
WIDEST = 2.0
"""What a chance of a miss may be corrected by."""

_FULL = 1e12
"""Weight of a newest residual at which all are made smaller again."""

_LOG_MISS = tuple(math.log(1.0 - anchor) for anchor in ANCHORS)


class Residuals:
    """A fading histogram of scaled residuals, and the corrections of ``ANCHORS``."""

    __slots__ = ("_corrections", "_held", "_sums", "_weight", "count")

    def __init__(self, state: tuple[int, float, bytes, bytes] = (0, 1.0, b"", b"")) -> None:
        """``state`` is what ``state`` gave."""
        self.count, self._weight, held, corrections = state
        """Residuals seen ever, and the weight that the newest one had."""
        self._held = array("f", held) or array("f", bytes(4 * BINS))
        self._sums: array[float] | None = None
        """Cumulated, until one more is added."""
        self._corrections = array("d", corrections) or array("d", [1.0] * len(ANCHORS))
        """Chance of a miss that is asked of the histogram over the nominal one."""

    def state(self) -> tuple[int, float, bytes, bytes]:
        """What ``__init__`` takes."""
        if not self.count:
            return 0, 1.0, b"", b""
        return self.count, self._weight, self._held.tobytes(), self._corrections.tobytes()

    def add(self, residual: float, elapsed_s: float) -> None:
        """Add one, ``elapsed_s`` after the one before: what is older fades.

        Nothing is multiplied but the weight of the newest.
        """
        self._weight /= keep(HALF_LIFE_S, elapsed_s)
        self._held[_bin(residual)] += self._weight
        self.count += 1
        self._sums = None
        if self._weight > _FULL:
            self.fade(1.0)

    def fade(self, factor: float) -> None:
        """All that was seen counts ``factor`` times what it did."""
        scale = factor / self._weight
        self._held = array("f", [weight * scale for weight in self._held])
        self._weight = 1.0
        self._sums = None

    def correct(self, residual: float, asked: Sequence[float], *, overlap: float) -> None:
        """The true ``residual`` of a promise whose quantiles at ``ANCHORS`` were ``asked``."""
        rate = RATE / 0.05 / math.sqrt(overlap)
        corrections = self._corrections
        for place, anchor in enumerate(ANCHORS):
            nominal = 1.0 - anchor
            moved = corrections[place] + rate * (nominal - (residual > asked[place]))
            corrections[place] = min(max(moved, NARROWEST), WIDEST)

    def anchors(self) -> tuple[float, ...]:
        """Quantiles at ``ANCHORS`` as they are asked now; 0 with nothing seen."""
        if not self.count:
            return (0.0,) * len(ANCHORS)
        sums = self._cumulated()
        return tuple(
            _value(sums, 1.0 - (1.0 - anchor) * correction)
            for anchor, correction in zip(ANCHORS, self._corrections, strict=True)
        )

    def quantile(self, level: float) -> float | None:
        """The residual at ``level``; None with fewer than ``ENOUGH``.

        Of residuals spread evenly over 0 to 1, uncorrected, the 0.95 quantile is 0.95.
        """
        if self.count < ENOUGH:
            return None
        return _value(self._cumulated(), self._asked(level))

    def _cumulated(self) -> array[float]:
        if self._sums is None:
            self._sums = array("d", accumulate(self._held))
        return self._sums

    def above(self, residual: float) -> float | None:
        """Chance of a residual above ``residual``; None with fewer than ``ENOUGH``."""
        if self.count < ENOUGH:
            return None
        place = _bin(residual)
        sums = self._cumulated()
        below = sums[place - 1] if place else 0.0
        width = EDGES[place + 1] - EDGES[place]
        share = min(max((residual - EDGES[place]) / width, 0.0), 1.0)
        return min(max(1.0 - (below + share * self._held[place]) / sums[-1], 0.0), 1.0)

    def _asked(self, level: float) -> float:
        """The level to ask the histogram for: the correction runs straight in log chance."""
        miss = 1.0 - level
        if miss >= 0.5:  # noqa: PLR2004 - the median is not corrected
            return level
        at, corrections = math.log(max(miss, 1e-12)), self._corrections
        if at >= _LOG_MISS[0]:
            share = (at - math.log(0.5)) / (_LOG_MISS[0] - math.log(0.5))
            return 1.0 - miss * (1.0 + share * (corrections[0] - 1.0))
        for place in range(1, len(ANCHORS)):
            if at >= _LOG_MISS[place]:
                share = (at - _LOG_MISS[place - 1]) / (_LOG_MISS[place] - _LOG_MISS[place - 1])
                between = corrections[place - 1] * (1.0 - share) + corrections[place] * share
                return 1.0 - miss * between
        return 1.0 - miss * corrections[-1]


def _bin(residual: float) -> int:
    return min(max(math.floor(math.asinh(residual / NEAR) / _PER_BIN) + BELOW, 0), BINS - 1)


def _value(sums: Sequence[float], level: float) -> float:
    """The residual at ``level`` of a histogram with cumulated weights ``sums``."""
    wanted = level * sums[-1]
    place = min(bisect_left(sums, wanted), BINS - 1)
    below = sums[place - 1] if place else 0.0
    weight = sums[place] - below
    share = (wanted - below) / weight if weight > 0 else 1.0
    return EDGES[place] + min(max(share, 0.0), 1.0) * (EDGES[place + 1] - EDGES[place])
