"""Edge: a small scale-in that was taken back while what was asked for hardly moved.

Rule: it is not made again while as much is asked for, and the replicas are wanted now and then.
Flow: Sizing.asked, Scaler.accept -> Edge -> Context -> the guard ``damping``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec import Struct

from models.swings import small

HELD_S = 3600.0
HELD_MOST_S = 86_400.0
"""Replicas that were wanted back are held until nobody has asked for them for an hour, as long as a
wish is remembered; for two after another scale-in, and so on, up to a day, the budget's window."""


class Asked(NamedTuple):
    """Replicas that are asked for, not rounded: the mean of ten minutes, and the newest."""

    mean: float
    newest: float


class Edge(Struct, frozen=True, array_like=True, gc=False):
    """Small scale-ins, ``times`` of them, from ``tried`` replicas, when ``asked`` were asked for.

    ``held`` of them were wanted back: no small scale-in goes below before ``until``.  Tolerances
    are shares of what is asked for; times are Unix seconds.
    """

    asked: float = 0.0
    tried: int = 0
    times: int = 0
    held: int = 0
    until: float = 0.0

    def step(self, now: float, asked: Asked, tolerance: float) -> Edge:
        """What is left of it at ``now``: nothing where the mean is off by more than ``tolerance``.

        Of 20 and 5 %: the same from 19 to 21.  Where nobody has asked for so many in so long, one
        fewer are held, for another hour.
        """
        if self == NOWHERE or abs(asked.mean - self.asked) > tolerance * self.asked:
            return NOWHERE
        if self.held and needed(asked.newest) >= self.held:
            return self._holding(self.held, now)
        if not self.held or now < self.until:
            return self
        return Edge(self.asked, self.tried, self.times, self.held - 1, now + HELD_S)

    def _holding(self, replicas: int, now: float) -> Edge:
        held_s = min(HELD_S * 2.0 ** (self.times - 1), HELD_MOST_S)
        return Edge(self.asked, self.tried, self.times, replicas, now + held_s)

    def after(self, now: float, asked: Asked, before: int, after: int, tolerance: float) -> Edge:
        """What it is after a change.

        From 33 to 31 and back to 32, with 30.6 asked for on average and 31.1 now: ``held`` is 32.
        A large change says nothing of an edge, nor one by more than is noise, with 36 asked for of
        a sudden, nor one that was not asked for, but made by a bound, or an effect.
        """
        if not small(before, after):
            return self
        if after < before:
            asked_then = self.asked if self.tried else asked.mean
            tried = max(self.tried, before)
            return Edge(asked_then, tried, self.times + 1, self.held, self.until)
        held = min(after, self.tried, needed(asked.newest))
        noise = asked.newest <= asked.mean * (1.0 + tolerance)
        if not noise or held <= max(self.held, before):
            return self
        return self._holding(held, now)


NOWHERE = Edge()


def needed(asked: float) -> int:
    """Whole replicas for ``asked``: 31 for 30.6."""
    return math.ceil(asked - 1e-9)
