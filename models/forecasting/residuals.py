"""Residuals: what a forecast missed by, in its own scales, and the quantiles of that.

Rule: a rolling window of time (an hour of steps), so that the spread follows the traffic; the
quantile is the nearest rank, without interpolation.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterable, Iterator

KEPT = 360
"""Residuals kept: an hour of 10 s steps."""

ENOUGH = 20
"""Residuals below which a quantile is not claimed."""


class Residuals:
    """A rolling window of scaled residuals, ordered; in 32 bits, which is what a snapshot has."""

    __slots__ = ("_ordered", "_place", "_ring")

    def __init__(self, residuals: Iterable[float] = ()) -> None:
        """``residuals`` oldest first."""
        self._ring = array("f")
        self._place = 0
        """Where the oldest is, once the ring is full."""
        self._ordered = array("f")
        for residual in residuals:
            self.add(residual)

    def __len__(self) -> int:
        """How many are held."""
        return len(self._ring)

    def __iter__(self) -> Iterator[float]:
        """Oldest first."""
        yield from self._ring[self._place :]
        yield from self._ring[: self._place]

    def add(self, residual: float) -> None:
        """Add one; the oldest leaves."""
        if len(self._ring) < KEPT:
            self._ring.append(residual)
            residual = self._ring[-1]
        else:
            gone = self._ring[self._place]
            self._ring[self._place] = residual
            residual = self._ring[self._place]
            self._place = (self._place + 1) % KEPT
            del self._ordered[bisect.bisect_left(self._ordered, gone)]
        bisect.insort(self._ordered, residual)

    @property
    def largest(self) -> float:
        """The largest held; 0 when none is, or none is above."""
        return max(self._ordered[-1], 0.0) if self._ordered else 0.0

    def quantile(self, level: float) -> float | None:
        """The residual at ``level``; None with fewer than ``ENOUGH``.

        Of 1..100 the 0.95 quantile is 95.
        """
        if len(self._ordered) < ENOUGH:
            return None
        rank = -(-len(self._ordered) * round(level * 10_000) // 10_000)
        return self._ordered[max(rank, 1) - 1]

    def above(self, residual: float) -> float | None:
        """Share of residuals above ``residual``; None with fewer than ``ENOUGH``."""
        if len(self._ordered) < ENOUGH:
            return None
        return 1.0 - bisect.bisect_right(self._ordered, residual) / len(self._ordered)
