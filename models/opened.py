"""Opened: requests that had started and not ended before the seconds that a window holds.

Rule: no more than rate and latency explain, because an end may be lost and then one stays open.
Flow: Window -> Opened -> Window.all_starts_told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

ALL = 0.9
"""Share of ended requests that must be explained by starts: with fewer, not all who publish tell of
starts, and ends count."""

ROOM = 2.0
"""Times what Little's law says is open may be open."""


class Opened:
    """Of one workload."""

    __slots__ = ("still",)

    def __init__(self, still: float = 0.0) -> None:
        """``still`` were open."""
        self.still = still

    def leave(
        self, started: Sequence[int], finished: Sequence[int], usual: Callable[[], float]
    ) -> None:
        """Seconds with so many starts and ends are held no more.

        ``usual`` is how many are open by Little's law; of 2 a second that take 30 s it is 60, and
        at most 120 become open.
        """
        for more, less in zip(started, finished, strict=True):
            left = self.still + more - less
            if left > self.still:
                left = min(left, max(self.still, ROOM * usual()))
            self.still = max(left, 0.0)

    def explain(self, started: int, finished: int) -> bool:
        """Whether ends are those of starts, and of what was open: all who publish tell of starts.

        Of 10 that ended, 9 started or were open before.
        """
        return started + self.still >= ALL * finished
