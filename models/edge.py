"""Edge: a small scale-in that was taken back while what was asked for hardly moved.

Rule: it is not made again before what is asked for has moved by more than the tolerance; no clock.
Flow: Sizing.asked, Scaler.accept -> Edge -> Context -> the guard ``damping``.
"""

from __future__ import annotations

from msgspec import Struct

from models.swings import small


class Edge(Struct, frozen=True, array_like=True, gc=False):
    """A small scale-in from ``tried`` replicas, when ``asked`` were asked for on average.

    ``held`` of them were wanted back: with as much asked for, no small scale-in goes below.
    """

    asked: float = 0.0
    tried: int = 0
    held: int = 0

    def near(self, asked: float, tolerance: float) -> Edge:
        """What is left of it when ``asked`` are asked for: nothing beyond ``tolerance``, a share.

        Of 20 and 5 %: the same from 19 to 21.
        """
        stands = self.tried and abs(asked - self.asked) <= tolerance * self.asked
        return self if stands else NOWHERE

    def after(self, asked: float, before: int, after: int) -> Edge:
        """What it is after a change, while ``asked`` are asked for on average.

        From 33 to 31 and back to 32, with 30.6 asked for: ``held`` is 32.  A large change says
        nothing of an edge.
        """
        if not small(before, after):
            return self
        if after < before:
            known = self if self.tried else Edge(asked)
            return Edge(known.asked, max(known.tried, before), known.held)
        if after > self.tried:
            return self
        return Edge(self.asked, self.tried, max(self.held, after))


NOWHERE = Edge()
