"""Real: what really missed the SLO, and what was really paid for.

Rule: nothing of it is ours while others scale, and nothing is to be learned of it while the
forecaster is cold, because all candidates are alike then.
Flow: Stride -> Real -> the budget that is planned with, regret.
"""

from __future__ import annotations

from msgspec import Struct

from models.sizing.day import Day, DayState
from models.sizing.ledger import ACTION_S, HALF_LIFE_S
from models.sizing.stride import Stride


class RealState(Struct, frozen=True, array_like=True):
    """What really happened, as a snapshot has it."""

    day: DayState
    past: tuple[float, float]
    """(paid, demand)"""
    desired: int | None
    measured: bool
    uncounted: int


class Real:
    """Of one workload; ``close`` it step by step, in order."""

    __slots__ = (
        "_day",
        "_demand",
        "_desired",
        "_keep",
        "_measured",
        "_paid",
        "_step_s",
        "_uncounted",
    )

    def __init__(self, step_s: int) -> None:
        """Nothing happened yet; steps are ``step_s`` seconds."""
        self._step_s = step_s
        self._keep = 0.5 ** (step_s / HALF_LIFE_S)
        self._day = Day(step_s)
        """What really missed the SLO: requests where their latency is told, else demand."""
        self._measured = False
        self._uncounted = 0
        """Newest steps that were not counted as missed."""
        self._paid = self._demand = 0.0
        """Capacity really paid for, and demand, by the ledger's half-life."""
        self._desired: int | None = None

    @property
    def violated(self) -> float | None:
        """Share that really missed the SLO over the last day; None: not known yet."""
        return self._day.violated

    def spent(self, step: int) -> float:
        """Share of a day's demand that missed the SLO in the day that ends with step ``step``.

        Of what is not known of it, because there was nothing before, none did: a tenth of an hour
        is 0.4 % of a day.
        """
        return (self._day.violated or 0.0) * self._day.known(step)

    @property
    def cost(self) -> float | None:
        """Capacity paid for, in units of demand, as a ledger's; None: not known yet."""
        return self._paid / self._demand if self._demand > 0 else None

    def close(self, stride: Stride, now: float, averaged: int, *, scored: bool) -> None:
        """One more step is over, at the end of which demand was ``now``, the mean of ``averaged``.

        ``scored``: whether candidates are, too.
        """
        if not stride.acting:
            self._day.clear()
            self._paid = self._demand = 0.0
            return
        if stride.desired is None or stride.ready is None:
            return
        moved = self._desired not in (None, stride.desired)
        self._desired = stride.desired
        if not scored:
            return
        if stride.slow is not None and not self._measured:
            # From now on requests are counted, and no longer demand.
            self._measured = True
            self._day.clear()
        if stride.slow is not None:
            missed, ended = map(float, stride.slow)
        elif self._measured:
            missed = ended = 0.0
        else:
            self._uncounted = min(self._uncounted + 1, averaged)
            over = now > stride.ready * stride.capacity * (1.0 + 1e-9)
            missed, ended = self._uncounted * now * over, stride.demand
            if over:
                self._uncounted = 0
        action = ACTION_S / self._step_s if moved else 0.0
        self._day.add(stride.step, missed, ended)
        self._paid = self._paid * self._keep + (stride.desired + action) * stride.capacity
        self._demand = self._demand * self._keep + stride.demand

    def state(self) -> RealState:
        """All that is remembered."""
        return RealState(
            day=self._day.state(),
            past=(self._paid, self._demand),
            desired=self._desired,
            measured=self._measured,
            uncounted=self._uncounted,
        )

    @classmethod
    def restored(cls, step_s: int, state: RealState) -> Real:
        """It goes on as the one that the state was taken of."""
        made = cls(step_s)
        made._day = Day.restored(step_s, state.day)
        made._paid, made._demand = state.past
        made._desired, made._measured = state.desired, state.measured
        made._uncounted = state.uncounted
        return made
