"""The yardstick: the last value, and a quantile of how far a day's last values were off.

Rule: it knows at a step only what was over at that step.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

from lab.forecast.row import DAY_S


class RollingResidual:
    """Residuals of the newest day, and their quantiles."""

    def __init__(self, step_s: int) -> None:
        """``step_s``: of the trace, seconds."""
        self._most = max(DAY_S // step_s, 1)
        self._held: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, residual: float) -> None:
        """One more is known; that of a day ago leaves."""
        self._held.append(residual)
        insort(self._sorted, residual)
        if len(self._held) > self._most:
            del self._sorted[bisect_left(self._sorted, self._held.popleft())]

    def quantile(self, level: float) -> float:
        """Residual at ``level``, between ranks by straight lines; 0 before there is one.

        Of 0, 1, ..., 100 the 0.95 quantile is 95.
        """
        if not self._sorted:
            return 0.0
        place = level * (len(self._sorted) - 1)
        below = math.floor(place)
        above = min(below + 1, len(self._sorted) - 1)
        share = place - below
        return self._sorted[below] * (1 - share) + self._sorted[above] * share
