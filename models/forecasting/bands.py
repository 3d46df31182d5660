"""Bands: quantiles of what demand may change by until the horizon.

Rule: two answers, weighed by what they cost: residuals of the centre in scales, which follow
every burst, and those of the last value in the scale of the day, which follow none, so that the
band is never much worse than either; and the level that is asked of both is corrected by adaptive
conformal inference, so that the coverage holds when the past is no guide.
Sources: pinball loss (Koenker and Bassett, 1978) in a fixed share; Gibbs and Candes, *Adaptive
conformal inference under distribution shift*, NeurIPS 2021: a <- a + rate (nominal - missed).
Flow: Forecaster: a settled promise -> Bands -> quantiles, chance of overload.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from models.forecasting.residuals import Residuals

ENOUGH = 20
"""Residuals below which a quantile is not claimed."""

ANCHORS = (0.90, 0.95, 0.99)
"""Levels whose coverage is watched; those between them are corrected in between."""

WEIGHED_AT = 1
"""Place in ``ANCHORS`` of the level at which the two answers are weighed."""

RATE = 0.005
"""Of the correction, with one promise in flight and a chance of a miss of 0.05 (others in
proportion); with n in flight, that overlap, it is over sqrt(n)."""

NARROWEST = 0.55
WIDEST = 1.5
"""What a chance of a miss may be corrected by."""

WEIGHT_RATE = 0.4
"""Learning rate of the weights, per scale of pinball loss, over sqrt(n) as above."""

WORST_LOSS = 3.0
"""Scales of pinball loss that one step may cost."""


class Place(NamedTuple):
    """Where bands are taken from: all changes since the last value, in scales.

    ``centre`` is the forecast's change, ``day`` the scale of the day over the scale of now.
    """

    centre: float
    day: float


class Asked(NamedTuple):
    """Quantiles as given out, in scales above the last value.

    ``band`` at ``ANCHORS``; ``near`` and ``plain`` are the two answers at ``WEIGHED_AT``.
    """

    band: tuple[float, ...]
    near: float
    plain: float


BandsState = tuple[int, tuple[float, bytes], tuple[float, bytes], float, bytes]


class Bands:
    """Two histograms, the weight of the second, and the corrections of ``ANCHORS``."""

    __slots__ = ("_corrections", "_misses", "_near", "_plain", "_share", "count")

    def __init__(self, state: BandsState = (0, (1.0, b""), (1.0, b""), 0.5, b"")) -> None:
        """``state`` is what ``state`` gave."""
        self.count, near, plain, self._share, corrections = state
        """``count``: residuals seen ever."""
        self._near, self._plain = Residuals(near), Residuals(plain)
        self._corrections = array("d", corrections) or array("d", [1.0] * len(ANCHORS))
        """Chance of a miss that is asked of the histograms over the nominal one."""
        self._misses = _falling(self._corrections)

    def state(self) -> BandsState:
        """What ``__init__`` takes."""
        return (
            self.count,
            self._near.state(),
            self._plain.state(),
            self._share,
            self._corrections.tobytes(),
        )

    def add(self, actual: float, place: Place, elapsed_s: float) -> None:
        """Demand's true change, in scales, where ``place`` was."""
        self._near.add(actual - place.centre, elapsed_s)
        self._plain.add(actual / place.day, elapsed_s)
        self.count += 1

    def fade(self, factor: float) -> None:
        """All that was seen counts ``factor`` times what it did."""
        self._near.fade(factor)
        self._plain.fade(factor)

    def ask(self, place: Place) -> Asked:
        """The quantiles that coverage is watched at; 0 with nothing seen."""
        share = self._share
        pairs = []
        for miss in self._misses:
            level = 1.0 - miss
            near = place.centre + self._near.quantile(level)
            pairs.append((near, place.day * self._plain.quantile(level)))
        band = tuple(near + share * (plain - near) for near, plain in pairs)
        return Asked(band, *pairs[WEIGHED_AT])

    def settle(self, actual: float, asked: Asked, *, overlap: float, kept: float) -> None:
        """Demand's true change, in scales, of which ``asked`` was said.

        ``overlap`` is how many promises are in flight together, ``kept`` the weight that does
        not go back to one half each.
        """
        less = math.sqrt(overlap)
        rate = RATE / 0.05 / less
        corrections = self._corrections
        for number, anchor in enumerate(ANCHORS):
            moved = corrections[number] + rate * (1.0 - anchor - (actual > asked.band[number]))
            corrections[number] = min(max(moved, NARROWEST), WIDEST)
        self._misses = _falling(corrections)
        level = ANCHORS[WEIGHED_AT]
        lost = _pinball(actual - asked.near, level) - _pinball(actual - asked.plain, level)
        odds = math.exp(WEIGHT_RATE / less * lost) * self._share / (1.0 - self._share)
        self._share = kept * odds / (1.0 + odds) + (1.0 - kept) * 0.5

    def quantile(self, level: float, place: Place) -> float | None:
        """The change at ``level``, in scales; None with fewer than ``ENOUGH`` seen."""
        if self.count < ENOUGH:
            return None
        asked = self._asked(level)
        near = place.centre + self._near.quantile(asked)
        return near + self._share * (place.day * self._plain.quantile(asked) - near)

    def above(self, change: float, place: Place) -> float | None:
        """Chance of a larger change than ``change``; None with fewer than ``ENOUGH`` seen.

        It is the level at which ``quantile`` says ``change``, by halving, to a thousandth.
        """
        if self.count < ENOUGH:
            return None
        low, high = 0.0, 1.0
        for _ in range(10):
            middle = (low + high) / 2.0
            if (self.quantile(middle, place) or 0.0) < change:
                low = middle
            else:
                high = middle
        return 1.0 - (low + high) / 2.0

    def _asked(self, level: float) -> float:
        """The level to ask the histograms for: chances of a miss run straight in logarithms."""
        miss = 1.0 - level
        if miss >= 0.5:  # noqa: PLR2004 - the median is not corrected
            return level
        before, corrected = 0.5, 0.5
        for anchor, wanted in zip(ANCHORS, self._misses, strict=True):
            nominal = 1.0 - anchor
            if miss >= nominal:
                share = math.log(miss / before) / math.log(nominal / before)
                return 1.0 - corrected * math.pow(wanted / corrected, share)
            before, corrected = nominal, wanted
        return 1.0 - miss * corrected / before


def _falling(corrections: Sequence[float]) -> tuple[float, ...]:
    """Corrected chances of a miss at ``ANCHORS``, falling, so that quantiles do not cross."""
    misses, most = [], 0.5
    for anchor, correction in zip(ANCHORS, corrections, strict=True):
        most = min((1.0 - anchor) * correction, most)
        misses.append(most)
    return tuple(misses)


def _pinball(over: float, level: float) -> float:
    return min(max(level * over, (level - 1.0) * over), WORST_LOSS)
