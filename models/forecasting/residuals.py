"""Residuals: what a forecast missed by, in its own scales, and the quantiles of that.

Rule: a rolling window of time (an hour of steps), so that the spread follows the traffic; the
quantile is the nearest rank, without interpolation.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

KEPT = 360
"""Residuals kept: an hour of 10 s steps."""

ENOUGH = 20
"""Residuals below which a quantile is not claimed."""


class Residuals:
    """A rolling window of scaled residuals; in 32 bits, which is what a snapshot has."""

    __slots__ = ("_known", "_place", "_ring", "largest")

    def __init__(self, residuals: Iterable[float] = ()) -> None:
        """``residuals`` oldest first."""
        self._ring = array("f")
        self._place = 0
        """Where the oldest is, once the ring is full."""
        self._known: tuple[float, float] | None = None
        """(level, quantile) asked for last, until one more is added."""
        self.largest = 0.0
        """The largest held; 0 when none is, or none is above."""
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
        self._known = None
        if len(self._ring) < KEPT:
            self._ring.append(residual)
            self.largest = max(self.largest, self._ring[-1])
            return
        gone = self._ring[self._place]
        self._ring[self._place] = residual
        now = self._ring[self._place]
        self._place = (self._place + 1) % KEPT
        self.largest = max(self._ring, default=0.0) if gone == self.largest else self.largest
        self.largest = max(self.largest, now, 0.0)

    def quantile(self, level: float) -> float | None:
        """The residual at ``level``; None with fewer than ``ENOUGH``.

        Of 1..100 the 0.95 quantile is 95.
        """
        if len(self._ring) < ENOUGH:
            return None
        if self._known is None or self._known[0] != level:
            rank = -(-len(self._ring) * round(level * 10_000) // 10_000)
            self._known = level, sorted(self._ring)[max(rank, 1) - 1]
        return self._known[1]

    def above(self, residual: float) -> float | None:
        """Share of residuals above ``residual``; None with fewer than ``ENOUGH``."""
        if len(self._ring) < ENOUGH:
            return None
        return sum([held > residual for held in self._ring]) / len(self._ring)
