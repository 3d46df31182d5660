"""The trust gate: whether the mixture speaks, or the last value in its place.

Rule: cold until enough was learned, and it says so; afterwards the mixture is trusted until it
has missed by clearly more than the last value over hours, and again when it misses by less.
Flow: Forecaster: settled promises -> Gate -> trust and why, in each decision.
"""

from __future__ import annotations

from typing import Literal

from models.forecasting.grid import keep

COLD_LABELS = 20
"""Labels below which nothing is claimed: three minutes of steps live, beyond the horizon; it is
also what a quantile needs (``bands.ENOUGH``)."""

TRUST_BELOW = 0.98
TRUST_ABOVE = 1.05
"""Hysteresis, as a ratio of the mixture's error to the last value's."""

HALF_LIFE_S = 21_600.0
"""Of both errors: hours, or noise would open and close the gate."""

Trust = Literal["predictive", "reactive", "cold"]

GateState = tuple[float, float, bool]


class Gate:
    """Errors of the mixture and of the last value, in scales, and whether it is open."""

    __slots__ = ("_error", "_error_last", "_open")

    def __init__(self, state: GateState = (0.0, 0.0, True)) -> None:
        """``state`` is what ``state`` gave."""
        self._error, self._error_last, self._open = state

    def state(self) -> GateState:
        """What ``__init__`` takes."""
        return self._error, self._error_last, self._open

    def add(self, error: float, error_last: float, elapsed_s: float) -> None:
        """Absolute errors of one step, in scales of its time: one burst outvotes nobody."""
        held = keep(HALF_LIFE_S, elapsed_s)
        self._error = held * self._error + error
        self._error_last = held * self._error_last + error_last

    def trust(self, labels: int) -> tuple[Trust, str]:
        """With so many ``labels`` learned: whom to believe, and why."""
        if labels < COLD_LABELS:
            return "cold", f"{labels} of {COLD_LABELS} steps learned"
        ratio = self._error / self._error_last if self._error_last > 0 else 1.0
        self._open = ratio < (TRUST_ABOVE if self._open else TRUST_BELOW)
        why = f"error {ratio:.2f} times the last value's"
        return ("predictive" if self._open else "reactive"), why
