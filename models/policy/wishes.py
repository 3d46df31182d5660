"""Wishes: what demand asked for lately, kept so that a window's extremes are known at once.

Rule: of the wishes only those that are the highest, or the lowest, of all that came after are
kept, which is all that a window that ends now can ask for (a monotonic queue).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

KEPT_S = 3600.0
"""HPA's longest stabilisation window."""


MOST = 128
"""Wishes held of each kind; of more, those that are near each other in time are joined."""

NEAR = 8.0
"""Joined are wishes of a span of at most an eighth of their age."""

LEAST_AGE_S = 1.0
"""Wishes of the last second are joined as those of a second ago are."""


class Wishes:
    """Past wishes of one workload: (at in Unix seconds, replicas)."""

    __slots__ = ("highs", "lows")

    def __init__(self, wished: Iterable[tuple[float, int]] = ()) -> None:
        """``wished`` in order of time."""
        self.highs: list[tuple[float, int]] = []
        """Falling from left to right."""
        self.lows: list[tuple[float, int]] = []
        """Rising from left to right."""
        for at, wish in wished:
            self.add(at, wish)

    def add(self, at: float, wish: int) -> None:
        """Add the newest wish."""
        highs, lows = self.highs, self.lows
        while highs and highs[-1][1] <= wish:
            highs.pop()
        while lows and lows[-1][1] >= wish:
            lows.pop()
        highs.append((at, wish))
        lows.append((at, wish))
        if len(highs) > MOST:
            self.highs = highs = _thinned(highs)
        if len(lows) > MOST:
            self.lows = lows = _thinned(lows)
        if highs[0][0] <= at - KEPT_S:
            highs.pop(0)
        if lows[0][0] <= at - KEPT_S:
            lows.pop(0)

    def highest(self, since: float) -> int | None:
        """The highest wish after ``since``; None: there was none."""
        return next((wish for at, wish in self.highs if at > since), None)

    def lowest(self, since: float) -> int | None:
        """The lowest wish after ``since``; None: there was none."""
        return next((wish for at, wish in self.lows if at > since), None)


def _thinned(held: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Those of one span joined: the extreme of all, as late as the latest of them.

    A wish then counts for at most an eighth of its age longer than it did, which holds replicas,
    and never for less.  Spans are powers of two and begin at multiples of themselves, so that
    they lie within each other and a wish that is joined again and again stays in its span.  Eight
    of them make an octave of age, and twelve octaves an hour: no more than 117 are left.
    """
    now = held[-1][0]
    joined: list[tuple[float, int]] = []
    begun = math.inf
    for at, wish in held:
        age = max(now - at, LEAST_AGE_S)
        span = 2.0 ** math.floor(math.log2(age / NEAR))
        if joined and math.floor(at / span) * span == begun:
            joined[-1] = (at, joined[-1][1])  # The first of them is the extreme.
        else:
            joined.append((at, wish))
            begun = math.floor(at / span) * span
    return joined
