"""Loads: demand per ready replica of about the last minute.

Rule: slow requests of now are the fault of the queue that the last minute built, so it is the mean
that they are held against, and not the slot's own; what errs on neither side where it is not sure.
Flow: Evidence -> Loads -> Learner.
"""

from __future__ import annotations

import math

from msgspec import Struct

from models.capacity.evidence import Evidence
from models.grid import STEP_S

LOAD_S = 60
"""Demand is averaged over this time constant.  Against the slot's own demand the capacity of M/M/20
came out up to twice as high as the load that it can carry for long (docs/capacity.md)."""

JUMP = 2.0
"""Demand that leaps so many times up or down is another demand: its mean begins anew."""

_PART = 1.0 - math.exp(-STEP_S / LOAD_S)


class LoadsState(Struct, frozen=True, array_like=True):
    """Loads as a snapshot has them."""

    demand: list[float]
    levels: list[float] | None
    newest: list[float]


class Loads:
    """In each unit of a learner, in its order."""

    __slots__ = ("_demand", "_levels", "newest")

    def __init__(self, units: int, *, moves: bool) -> None:
        """Of so many ``units``.

        ``moves``: demand comes and goes with replicas, as that of a variant does: its mean over the
        replicas of now may be a load that there never was.
        """
        self._demand = [0.0] * units
        self._levels: list[float] | None = [0.0] * units if moves else None
        """Loads in the mean, each over the replicas of its time."""
        self.newest: list[float] = []
        """Of the newest slot that said anything; empty: none did."""

    def missing(self) -> None:
        """A slot said nothing: what is heard next is the beginning of a mean."""
        self._demand = [0.0] * len(self._demand)
        if self._levels is not None:
            self._levels = [*self._demand]

    def hear(self, seen: Evidence) -> None:
        """Take in a slot's demand."""
        self._demand = [
            _smoothed(held, demand) for held, demand in zip(self._demand, seen.demand, strict=True)
        ]

    def over(self, seen: Evidence, *, bad: bool) -> list[float]:
        """What load a slot that was heard, and is ``bad`` or fine, is evidence of.

        Fine, it is evidence of demand over the most that were ready in it, bad, of that over the
        fewest; where demand moves with replicas, also of the lower or the higher of two means.
        """
        serving = seen.fewest if bad else seen.most
        loads = [demand / serving for demand in self._demand]
        if self._levels is not None:
            self._levels = [
                _smoothed(held, demand / serving)
                for held, demand in zip(self._levels, seen.demand, strict=True)
            ]
            pick = max if bad else min
            loads = [pick(pair) for pair in zip(loads, self._levels, strict=True)]
        self.newest = loads
        return loads

    def state(self) -> LoadsState:
        """All that is remembered."""
        return LoadsState(demand=self._demand, levels=self._levels, newest=self.newest)

    @classmethod
    def restored(cls, state: LoadsState) -> Loads:
        """The loads of a state."""
        made = cls(len(state.demand), moves=state.levels is not None)
        made._demand, made._levels, made.newest = state.demand, state.levels, state.newest
        return made


def _smoothed(held: float, demand: float) -> float:
    """The mean of about ``LOAD_S``, one slot on."""
    if demand > JUMP * held or held > JUMP * demand:
        return demand
    return held + (demand - held) * _PART
