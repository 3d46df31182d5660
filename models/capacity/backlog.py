"""Backlog: after an overload, latency is that of the queue it left, not that of the load of now.

Rule: for a flow (requests or tokens a second) slots that are over the budget, at less load than the
overload that began it, are left out for a minute; concurrency counts the queue itself.
Flow: Learner -> Backlog -> which relations learn from a slot.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.demand import Unit

RECOVERY = 6
"""Slots that are left out at most: what lasts longer is no backlog, but a load that is too much."""


class Backlog:
    """Fed each slot."""

    __slots__ = ("loads", "slots")

    def __init__(self, slots: int = 0, loads: Sequence[float] = ()) -> None:
        """``slots`` over the budget in a row, ``loads`` the highest in them, by unit."""
        self.slots = slots
        self.loads = list(loads)

    def stale(self, units: Sequence[Unit], loads: Sequence[float], *, bad: bool) -> list[bool]:
        """For each unit whether a slot says nothing of its load; ``bad``: it is over budget."""
        before = self.loads
        if not bad or not before:
            self.slots, self.loads = (1, list(loads)) if bad else (0, [])
            return [False] * len(units)
        self.slots += 1
        self.loads = [max(pair) for pair in zip(loads, before, strict=True)]
        return [
            self.slots <= RECOVERY and unit != "concurrency" and load < highest
            for unit, load, highest in zip(units, loads, before, strict=True)
        ]
