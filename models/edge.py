"""Edge: a small scale-in that was taken back while what was asked for hardly moved.

Rule: it is not made again before what is asked for has moved by more than the tolerance; no clock.
Flow: Sizing.asked, Scaler.accept -> Edge -> Context -> the guard ``damping``.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from models.swings import small


class Asked(NamedTuple):
    """Replicas that are asked for, not rounded: the mean of ten minutes, and at this moment."""

    mean: float
    newest: float


class Edge(Struct, frozen=True, array_like=True, gc=False):
    """A small scale-in from ``tried`` replicas, when ``asked`` were asked for on average.

    ``held`` of them were wanted back: with as much asked for, no small scale-in goes below.
    Tolerances are shares of what is asked for.
    """

    asked: float = 0.0
    tried: int = 0
    held: int = 0

    def near(self, asked: float, tolerance: float) -> Edge:
        """What is left of it when ``asked`` are asked for on average: nothing beyond ``tolerance``.

        Of 20 and 5 %: the same from 19 to 21.
        """
        stands = self.tried and abs(asked - self.asked) <= tolerance * self.asked
        return self if stands else NOWHERE

    def after(self, asked: Asked, before: int, after: int, tolerance: float) -> Edge:
        """What it is after a change.

        From 33 to 31 and back to 32, with 30.6 asked for on average and 31.1 now: ``held`` is 32.
        A large change says nothing of an edge, and neither does one by more than is noise: by 36
        of a sudden.
        """
        if not small(before, after):
            return self
        if after < before:
            known = self if self.tried else Edge(asked.mean)
            return Edge(known.asked, max(known.tried, before), known.held)
        if after > self.tried or asked.newest > asked.mean * (1.0 + tolerance):
            return self
        return Edge(self.asked, self.tried, max(self.held, after))


NOWHERE = Edge()
