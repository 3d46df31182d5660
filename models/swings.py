"""Swings: small scale-ins that were taken back at once, which is what noise at an edge looks like.

Rule: each one taken back doubles the patience with the next one; an hour forgets one.
Flow: Scaler.accept -> Swings -> Context -> the guard ``damping``.
"""

from __future__ import annotations

from msgspec import Struct

from models.serves import Serves, change

FORGET_S = 3600.0

SMALL = 0.1
"""A change by so little may be noise."""

ROUNDING = 1e-9
"""Of sums of what replicas serve."""

BACK = 4.0
"""A replica that was away for less than four windows was not worth the two changes."""

MOST = 6
"""Doublings: the shortest window, a minute, then is longer than any wish is kept for."""


class Swings(Struct, frozen=True, array_like=True, gc=False):
    """``count`` doublings as of ``at``; ``in_at`` when the last small scale-in was."""

    count: int = 0
    at: float = 0.0
    in_at: float = 0.0

    def after(
        self, at: float, before: int, after: int, window_s: float, serves: Serves | None = None
    ) -> Swings:
        """What it is after a change; ``window_s`` is how long scale-in is stabilised for.

        With 160 s: from 5 to 4, and back to 5 within 640 s, is a swing.
        """
        if not small(before, after, serves):
            return Swings(self.count, self.at)
        if after < before:
            return Swings(self.count, self.at, at)
        if at - self.in_at > BACK * window_s:
            return Swings(self.count, self.at)
        return Swings(min(self.doublings(at) + 1, MOST), at)

    def doublings(self, now: float) -> int:
        """What is left of them."""
        return self.count and max(self.count - int((now - self.at) // FORGET_S), 0)


def small(before: int, after: int, serves: Serves | None = None) -> bool:
    """Whether it is one replica, or a tenth of them, HPA's tolerance: 5 to 4, but not 40 to 35.

    A tenth of what they serve, where that differs.  Nor to or from zero, for which there is the
    cooldown period.
    """
    least, most = min(before, after), max(before, after)
    return 0 < least < most and (
        most - least == 1 or change(least, most, serves) <= SMALL + ROUNDING
    )
