"""Ledger: what each candidate would have cost and missed over the discounted past.

Rule: sums are discounted by measured time; a step that nobody measured is in none of them.  What is
believed beforehand is kept apart, as a share of mean demand, so that one odd step is not its size.
Flow: Plants, demand of a step -> Ledger -> choice.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.sizing.candidates import MARGIN_COST, MARGINS, SHAPE, TAIL, WINDOWS_S
from models.sizing.plants import Bools, Floats

Sums = NDArray[np.float64]

HALF_LIFE_S = 172_800.0
"""Of the past that candidates are compared by: two days, so that yesterday's same hour counts
nearly as much as this one, and a week ago a tenth."""

PRIOR_S = 86_400.0
"""What is believed to be missed before anything was seen weighs as much as a day of demand: a day
is the budget's window, and a crowd that was seen once in an hour is not one an hour."""

COST_PRIOR_S = 3600.0
"""Costs and actions are seen at every step, not once a day: of them belief weighs an hour."""

DEPTH = 2.0
"""What demand that exceeds capacity counts beside the demand that is in violation, because to
lose a minute wholly must not be as cheap as to lose it a little."""

ACTION_S = 60.0
"""What an action costs, in seconds of a replica: pods that come and go take images, caches and
connections with them."""

ROUNDING = 1e-9
"""Of demand: no more than sums may be off by."""


class LedgerState(Struct, frozen=True, array_like=True):
    """A ledger as a snapshot has it."""

    demand: float
    steps: float
    believed: float
    missed: bytes
    cost: bytes
    actions: bytes
    uncounted: bytes


_BELIEVED_COST = 1.0 + MARGIN_COST * MARGINS[None, :] + 0.02 * np.arange(len(WINDOWS_S))[:, None]
"""Capacity bought over demand, by candidate, before any was seen to be bought."""


class Ledger:
    """Sums by candidate, ``SHAPE``, in demand·steps."""

    __slots__ = (
        "_actions",
        "_believed",
        "_cost",
        "_demand",
        "_keep",
        "_missed",
        "_step_s",
        "_steps",
        "_uncounted",
    )

    def __init__(self, step_s: int) -> None:
        """Only what is believed before."""
        self._step_s = step_s
        self._keep = 0.5 ** (step_s / HALF_LIFE_S)
        self._demand = self._steps = 0.0
        self._believed = PRIOR_S / step_s
        """Steps of mean demand that belief of what is missed weighs."""
        self._missed: Sums = np.zeros(SHAPE)
        self._cost: Sums = np.zeros(SHAPE)
        self._actions = np.zeros(SHAPE, np.float32)
        self._uncounted = np.zeros(SHAPE, np.uint8)
        """Newest steps that were not in violation."""

    def add(
        self,
        demand: float,
        ready: Floats,
        asked: Floats,
        capacity: float,
        averaged: int = 1,
    ) -> None:
        """One step: ``demand`` in its unit, replicas ready and asked for by candidate.

        ``demand`` is the mean of the newest ``averaged`` steps; where it is too much all of them
        are in violation, each counted once.
        """
        serves = ready * capacity
        over = np.maximum(demand - serves, 0.0)
        np.minimum(self._uncounted + 1, averaged, out=self._uncounted)
        exceeded = over > demand * ROUNDING
        lost = np.where(exceeded, self._uncounted * (demand + DEPTH * over), 0.0)
        self._uncounted[exceeded] = 0
        self._missed *= self._keep
        self._missed += lost
        self._cost *= self._keep
        self._cost += asked * capacity
        self._demand = self._demand * self._keep + demand
        self._steps = self._steps * self._keep + 1.0
        self._believed *= self._keep

    def act(self, moved: Bools, capacity: float) -> None:
        """Actions taken at the end of the step that was added last."""
        self._cost += moved * (ACTION_S / self._step_s * capacity)
        self._actions *= np.float32(self._keep)
        self._actions += moved

    @property
    def _believed_cost(self) -> float:
        """Steps that belief of costs and actions weighs."""
        return self._believed * (COST_PRIOR_S / PRIOR_S)

    @property
    def idle(self) -> bool:
        """Whether there has been no demand yet, so that nothing can be a share of it."""
        return self._demand <= 0

    def actions_per_hour(self) -> Floats:
        """Actions an hour, by candidate; none are believed of the time before."""
        steps = max(self._steps + self._believed_cost, 1.0)
        found: Floats = self._actions * np.float32(3600.0 / self._step_s / steps)
        return found

    def missed(self) -> Sums:
        """Share of demand in violation, by candidate; before any demand what is believed."""
        if self._demand <= 0:
            believed: Sums = TAIL
            return believed
        weight = self._believed * self._demand / self._steps
        found: Sums = (self._missed + TAIL * weight) / (self._demand + weight)
        return found

    def cost(self) -> Sums:
        """Capacity bought, in units of demand, by candidate; 1 would be none too much."""
        if self._demand <= 0:
            return _BELIEVED_COST
        weight = self._believed_cost * self._demand / self._steps
        found: Sums = (self._cost + _BELIEVED_COST * weight) / (self._demand + weight)
        return found

    def cheapest(self, budget: float) -> float | None:
        """``cost`` of the cheapest candidate within ``budget``; None: there is none."""
        kept = self.cost()[self.missed() <= budget]
        return float(kept.min()) if len(kept) else None

    def state(self) -> LedgerState:
        """All sums."""
        return LedgerState(
            demand=self._demand,
            steps=self._steps,
            believed=self._believed,
            missed=self._missed.tobytes(),
            cost=self._cost.tobytes(),
            actions=self._actions.tobytes(),
            uncounted=self._uncounted.tobytes(),
        )

    @classmethod
    def restored(cls, step_s: int, state: LedgerState) -> Ledger:
        """The ledger of a state.  Raises ``ValueError`` where it has another form."""
        made = cls(step_s)
        made._demand, made._steps = state.demand, state.steps
        made._believed = state.believed
        made._actions = np.frombuffer(state.actions, np.float32).reshape(SHAPE).copy()
        made._uncounted = np.frombuffer(state.uncounted, np.uint8).reshape(SHAPE).copy()
        made._missed = np.frombuffer(state.missed).reshape(SHAPE).copy()
        made._cost = np.frombuffer(state.cost).reshape(SHAPE).copy()
        return made
