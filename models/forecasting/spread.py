"""Spread: how far forecasts miss now, the unit that residuals, losses and features are in.

Rule: between three answers none is chosen, their geometric mean is taken: misses of the last
minutes follow a burst, those of the day do not forget one, and those relative to the root of
demand know that more traffic is more noise (counts: Poisson).
Flow: Forecaster: misses -> Spread -> scale.
"""

from __future__ import annotations

import math
from array import array
from typing import NamedTuple

from models.forecasting.grid import keep

FAST_S = 900.0
SLOW_S = 86_400.0
"""Half-lives, seconds."""

PRIOR = 0.25
"""Of demand: what a miss is taken to be before there was one."""

PRIOR_MISSES = 3.0
"""How many misses that weighs."""

LEAST = 0.01
"""Of demand: no scale is below it, or a constant series would make giants of its first change."""

CUT = 8.0
"""Averages of the day that a miss counts at most in them: a flash crowd of minutes is no measure
for the day after it."""

TINY = 1e-9
"""Demand below which nothing is told apart from none."""


class Scale(NamedTuple):
    """What a miss is like, in demand: ``now``, and over the ``day``."""

    now: float
    day: float


class Spread:
    """Averages of misses: of the last minutes, of the day, and of the day over root of demand."""

    __slots__ = ("_held",)

    def __init__(self, state: bytes = b"") -> None:
        """``state`` is what ``state`` gave."""
        self._held = array("d", state) or array("d", bytes(40))
        """Fast sum and weight, slow sum and weight, root sum (its weight is the slow one)."""

    def state(self) -> bytes:
        """Everything, as 64-bit floats."""
        return self._held.tobytes()

    def add(self, miss: float, level: float, elapsed_s: float) -> None:
        """An absolute ``miss`` where demand was about ``level``."""
        held = self._held
        fast, slow = keep(FAST_S, elapsed_s), keep(SLOW_S, elapsed_s)
        held[0] = fast * held[0] + (1.0 - fast) * miss
        held[1] = fast * held[1] + (1.0 - fast)
        if held[3] > 0.0:
            miss = min(miss, CUT * max(held[2] / held[3], LEAST * level))
        held[2] = slow * held[2] + (1.0 - slow) * miss
        held[3] = slow * held[3] + (1.0 - slow)
        held[4] = slow * held[4] + (1.0 - slow) * miss / math.sqrt(max(level, miss, TINY))

    def forget(self) -> None:
        """The day is as the last minutes are: what was before counts as ``PRIOR_MISSES``."""
        held = self._held
        if held[1] > 0 and held[3] > 0:
            ratio = (held[0] / held[1]) / max(held[2] / held[3], TINY)
            held[2] *= ratio
            held[4] *= ratio

    def scale(self, level: float, newest: float, step_s: float) -> Scale:
        """Scales where demand is about ``level`` and ``newest`` just now; above 0."""
        fast, fast_weight, slow, slow_weight, root = self._held
        prior = PRIOR * level
        # The prior weighs as so many misses do, and fades as misses come.
        more = PRIOR_MISSES * (1.0 - keep(FAST_S, step_s)) * (1.0 - fast_weight)
        fast = (fast + more * prior) / (fast_weight + more)
        more = PRIOR_MISSES * (1.0 - keep(SLOW_S, step_s)) * (1.0 - slow_weight)
        slow = (slow + more * prior) / (slow_weight + more)
        root = (root * math.sqrt(level) + more * prior) / (slow_weight + more)
        least = max(LEAST * level, LEAST * newest, TINY)
        return Scale(max((fast * slow * root) ** (1.0 / 3.0), least), max(slow, least))
