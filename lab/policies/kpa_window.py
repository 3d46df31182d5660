"""Knative's window: a ring of one-second buckets and their mean.

Rule: as TimedFloat64Buckets in knative/serving pkg/autoscaler/aggregation/bucketing.go: O(1) to
record and to ask, a mean over as many buckets as there can be values for, cut to six decimals.
"""

from __future__ import annotations

import math

DECIMALS = 1e6


class Buckets:
    """The last ``length`` seconds, a sum per second; times are whole seconds, rising."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._sums = [0.0] * length
        self._total = 0.0
        self._first: int | None = None
        self._last = 0

    def record(self, second: int, value: float) -> None:
        """Add ``value`` to the bucket of ``second``; a whole window of silence starts anew."""
        if self._first is None or second - self._last >= self._length:
            self._first = second
            self._sums = [0.0] * self._length
            self._total = 0.0
        else:
            for passed in range(self._last + 1, second + 1):
                index = passed % self._length
                self._total -= self._sums[index]
                self._sums[index] = 0.0
        self._last = max(second, self._last)
        self._sums[second % self._length] += value
        self._total += value

    def empty(self, second: int) -> bool:
        """Whether nothing was recorded for more than a window."""
        return self._first is None or second - self._last > self._length

    def mean(self, second: int) -> float:
        """Mean over the buckets that can have a value.

        Recorded for 6 s of 60: over those 6.  Silent for 10 s after that: over the older ones of
        the window, without the silent ones.  A gap inside counts as 0.
        """
        if self._first is None:
            return 0.0
        silent = second - self._last
        if silent >= self._length:
            return 0.0
        total, most = self._total, self._length
        if silent > 0:
            for passed in range(self._last + 1, second + 1):
                total -= self._sums[passed % self._length]
            most -= silent
        count = min(self._last - self._first + 1, most)
        return math.floor(total / count * DECIMALS) / DECIMALS
