"""Edge: a small scale-in that was taken back while what was asked for hardly moved.

Rule: it is not made again while as much is asked for, and the replicas are wanted now and then.
Flow: Sizing.asked, Scaler.accept -> Edge -> Context -> the guard ``damping``.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from models.serves import Serves
from models.swings import small

HELD_S = 3600.0
HELD_MOST_S = 86_400.0
"""Replicas that were wanted back are held until nobody has asked for them for an hour, as long as a
wish is remembered; for two the next time, and so on, up to a day, the budget's window."""

MOST = 6
"""Times that are counted; the patience is a day then."""


class Asked(NamedTuple):
    """Demand that replicas are asked for: the mean of ten minutes, and the newest.

    ``replicas`` are needed for the newest.  A capacity that is learned anew is no other demand.
    """

    mean: float
    newest: float
    replicas: int

    def noise(self, tolerance: float) -> bool:
        """Whether the newest is no more than ``tolerance`` above the mean."""
        return self.newest <= self.mean * (1.0 + tolerance)


class Edge(Struct, frozen=True, array_like=True, gc=False):
    """A small scale-in from ``tried`` replicas, with a demand of ``asked`` on average.

    ``held`` of them were wanted back: no small scale-in goes below before ``until``.  ``times`` it
    was taken back, not yet where it is ``open``.  Tolerances are shares of what is asked for, times
    are Unix seconds.
    """

    asked: float = 0.0
    tried: int = 0
    open: bool = False
    times: int = 0
    held: int = 0
    until: float = 0.0

    def step(self, now: float, asked: Asked, tolerance: float) -> Edge:
        """What is left of it at ``now``: nothing where the mean is off by more than ``tolerance``.

        Of 20 and 5 %: the same from 19 to 21.  Where no noise has asked for so many in so long,
        fewer are held for another hour: one, or what is within ``tolerance``.
        """
        if self == NOWHERE or abs(asked.mean - self.asked) > tolerance * self.asked:
            return NOWHERE
        if self.held and asked.replicas >= self.held and asked.noise(tolerance):
            return replace(self, until=_until(self.times, now))
        if not self.held or now < self.until:
            return self
        fewer = self.held - max(int(tolerance * self.held), 1)
        return replace(self, held=max(fewer, 0), until=now + HELD_S)

    def after(
        self,
        now: float,
        asked: Asked,
        before: int,
        after: int,
        tolerance: float,
        serves: Serves | None = None,
    ) -> Edge:
        """What it is after a change.

        From 33 to 31 and back to 32, with a demand of 306 on average, and 311 now: ``held`` is 32.
        A large change says nothing of an edge, nor one by more than is noise, with 360 of a sudden,
        nor one that was not asked for, but made by a bound, or an effect.
        """
        if not small(before, after, serves):
            return self
        if after < before:
            then = self.asked if self.tried else asked.mean
            return replace(self, asked=then, tried=max(self.tried, before), open=True)
        held = min(after, self.tried, asked.replicas)
        if not asked.noise(tolerance) or held <= max(self.held, before):
            return self
        times = min(self.times + self.open, MOST)
        return replace(self, open=False, times=times, held=held, until=_until(times, now))


NOWHERE = Edge()


def _until(times: int, now: float) -> float:
    return now + min(HELD_S * 2.0 ** (times - 1), HELD_MOST_S)
