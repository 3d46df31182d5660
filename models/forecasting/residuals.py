"""Residuals: what a forecast missed by, in its own scales, and the quantiles of that.

Rule: a rolling window of time (an hour of steps), so that the spread follows the traffic; the
quantile is the nearest rank, without interpolation.
"""

from __future__ import annotations

import bisect
from collections import deque

KEPT = 360
"""Residuals kept: an hour of 10 s steps."""

ENOUGH = 20
"""Residuals below which a quantile is not claimed."""


class Residuals:
    """A rolling window of scaled residuals, ordered."""

    def __init__(self) -> None:
        """Empty."""
        self._window: deque[float] = deque()
        self._ordered: list[float] = []

    def __len__(self) -> int:
        """How many are held."""
        return len(self._window)

    def add(self, residual: float) -> None:
        """Add one; the oldest leaves."""
        self._window.append(residual)
        bisect.insort(self._ordered, residual)
        if len(self._window) > KEPT:
            gone = self._window.popleft()
            del self._ordered[bisect.bisect_left(self._ordered, gone)]

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
