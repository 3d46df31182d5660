"""Lately: the fewest replicas that were ready over the last seconds.

Rule: of the counts reported only those that are fewer than all that came after are kept, which is
all that a span that ends now can ask for (a monotonic queue).
Flow: Window.add -> ReadyLately -> Window.some_pods_silent.
"""

from __future__ import annotations

from collections.abc import Iterable


class ReadyLately:
    """Of one workload, over ``span_s`` seconds."""

    __slots__ = ("_span_s", "counts")

    def __init__(self, span_s: float, counts: Iterable[tuple[int, int]] = ()) -> None:
        """``counts`` is what ``counts`` was."""
        self._span_s = span_s
        self.counts = [*counts]
        """Second and replicas ready from then on: rising, the first from the span's begin."""

    def add(self, second: int, ready: int) -> None:
        """So many were reported in ``second``."""
        counts = self.counts
        while counts and counts[-1][1] > ready:
            counts.pop()
        if not counts or counts[-1][1] < ready:
            counts.append((second, ready))
        del counts[: self._begin(second)]

    def fewest(self, now: int) -> int:
        """The fewest that were ready within the span before ``now``; 0: nobody reported."""
        return self.counts[self._begin(now)][1] if self.counts else 0

    def _begin(self, now: int) -> int:
        """Place of the count that held when the span began."""
        counts, since, place = self.counts, now - self._span_s, 0
        while place + 1 < len(counts) and counts[place + 1][0] <= since:
            place += 1
        return place
