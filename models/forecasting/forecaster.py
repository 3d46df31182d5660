"""The forecaster: the online expert where it has earned trust, else the last value.

Rule: causal, on the grid of steps; its scale is the workload's own recent change; it says which
of its two models spoke and why (the trust gate), with hysteresis.
Flow: DemandMeter steps -> Forecaster -> Outlook -> Scaler.
"""

from __future__ import annotations

import math
from array import array
from typing import Literal

from msgspec import Struct

from models.demand import STEP_S
from models.forecasting.promises import Promise, Promises
from models.forecasting.residual import FEATURES, ModelState, ResidualModel
from models.forecasting.residuals import Largest, Residuals

COLD_LABELS = 30
"""Labels below which nothing is claimed: five minutes of steps."""

TRUST_BELOW = 0.98
TRUST_ABOVE = 1.02
"""Hysteresis of the trust gate, as a ratio of the expert's error to the last value's."""

ERROR_HALF_LIFE_S = 900.0
SCALE_HALF_LIFE_S = 900.0
FAST_HALF_LIFE_S = 60.0
SLOW_HALF_LIFE_S = 600.0

COLD_MARGIN = 0.5
"""Margin over the last value while cold: wide, and said to be so."""

LAGS = 30
"""Steps that the features look back."""

DAY_S = 86_400

Trust = Literal["predictive", "reactive", "cold"]


def decay(half_life_s: float) -> float:
    """Weight kept per step for a half-life in seconds: 0.5 ** (STEP_S / half_life_s)."""
    return float(0.5 ** (STEP_S / half_life_s))


KEEP_ERROR = decay(ERROR_HALF_LIFE_S)
KEEP_SCALE = decay(SCALE_HALF_LIFE_S)
KEEP_FAST = decay(FAST_HALF_LIFE_S)
KEEP_SLOW = decay(SLOW_HALF_LIFE_S)


class Outlook(Struct, frozen=True, array_like=True, gc=False):
    """What the forecaster says at one step; ``scale`` turns residuals into demand."""

    step: int
    horizon_steps: int
    last: float
    centre: float
    scale: float
    trust: Trust
    why: str


class ForecasterState(Struct, frozen=True, array_like=True):
    """A forecaster as a snapshot has it."""

    model: ModelState
    promises: list[Promise]
    values: list[float]
    starts: tuple[float, float]
    averages: tuple[float, float, float]
    """(scale, fast, slow)"""
    errors: tuple[float, float]
    """(expert, last value)"""
    trusted: bool
    missed: tuple[int, list[tuple[int, float]]]
    expert: bytes
    last: bytes
    outlook: Outlook | None


class Forecaster:
    """One workload's forecaster; ``close`` it step by step, in order."""

    __slots__ = (
        "_error",
        "_error_last",
        "_expert",
        "_fast",
        "_known",
        "_last",
        "_missed",
        "_model",
        "_promises",
        "_scale",
        "_slow",
        "_starts",
        "_trusted",
        "_values",
        "outlook",
    )

    def __init__(self, step_s: int = STEP_S) -> None:
        """Knows nothing.  ``step_s``: of the grid; live it is ``STEP_S``."""
        del step_s  # TODO
        self._model = ResidualModel()
        self._promises = Promises(len(FEATURES))
        self._values = array("d")
        """The newest ``LAGS`` + 1 values, oldest first."""
        self._starts = (0.0, 0.0)
        """Request starts of the last two steps."""
        self._scale = 0.0
        self._fast = 0.0
        self._slow = 0.0
        self._error = 0.0
        self._error_last = 0.0
        self._trusted = False
        self._missed = Largest()
        self._known: tuple[float, float | None] | None = None
        """(level, quantile) asked for last, until one more step is over."""
        self._expert = Residuals()
        self._last = Residuals()
        self.outlook: Outlook | None = None

    @property
    def learned(self) -> int:
        """Labels learned so far."""
        return self._model.learned

    def close(self, step: int, value: float, starts: float, horizon_steps: int) -> None:
        """Step ``step`` is over and its value known: learn what was promised of it, look ahead."""
        self._known = None
        self._learn(step, value)
        self._track(value, starts)
        features = array("f", self._features(step))
        scale = max(self._scale, 0.05 * self._slow, 1e-9)
        change = self._model.predict(features) * scale
        self._model.rest()
        centre = max(value + change, 0.0)
        self._promises.add((step + horizon_steps, value, centre, scale), features)
        trust, why = self._trust()
        self.outlook = Outlook(
            step=step,
            horizon_steps=horizon_steps,
            last=value,
            centre=centre if trust == "predictive" else value,
            scale=scale,
            trust=trust,
            why=why,
        )

    def experts(self) -> dict[str, float]:
        """What each expert says of the horizon."""
        return {}

    def quantile(self, level: float) -> float | None:
        """Demand at ``level`` at the horizon; None before the first step is closed."""
        if self._known is None or self._known[0] != level:
            self._known = level, self._quantile(level)
        return self._known[1]

    def _quantile(self, level: float) -> float | None:
        outlook = self.outlook
        if outlook is None:
            return None
        residual = self._residuals(outlook).quantile(level)
        if outlook.trust == "cold" or residual is None:
            return outlook.last * (1.0 + COLD_MARGIN)
        # Scales from a quiet time make giants of a burst's residuals; what is added is never
        # more than was ever missed by within the window.
        margin = min(residual * outlook.scale, self._missed.value())
        return max(outlook.centre + margin, 0.0)

    def overload_probability(self, capacity: float) -> float | None:
        """Chance that demand at the horizon exceeds ``capacity``; None while cold."""
        outlook = self.outlook
        if outlook is None or outlook.trust == "cold":
            return None
        if capacity - outlook.centre > self._missed.value():
            return 0.0  # Never missed by so much within the window.
        return self._residuals(outlook).above((capacity - outlook.centre) / outlook.scale)

    def _residuals(self, outlook: Outlook) -> Residuals:
        return self._expert if outlook.trust == "predictive" else self._last

    def _learn(self, step: int, value: float) -> None:
        while (due := self._promises.due) is not None and due <= step:
            last, centre, scale, features = self._promises.pop()
            if due < step:
                continue  # The horizon was shortened: its step went by unmatched.
            self._model.learn(features, (value - last) / scale)
            self._expert.add((value - centre) / scale)
            self._last.add((value - last) / scale)
            self._missed.add(value - min(centre, last))
            # Relative to the scale of its time, so that one burst does not outvote the rest.
            self._error = KEEP_ERROR * self._error + abs(value - centre) / scale
            self._error_last = KEEP_ERROR * self._error_last + abs(value - last) / scale
            moved = abs(value - last)
            first = self._model.learned == 1
            self._scale = moved if first else KEEP_SCALE * self._scale + (1 - KEEP_SCALE) * moved

    def _track(self, value: float, starts: float) -> None:
        if not self._values:
            self._fast = self._slow = value
        self._fast = KEEP_FAST * self._fast + (1 - KEEP_FAST) * value
        self._slow = KEEP_SLOW * self._slow + (1 - KEEP_SLOW) * value
        self._starts = (self._starts[1] if self._values else starts, starts)
        self._values = self._values[-LAGS:]
        self._values.append(value)

    def _features(self, step: int) -> tuple[float, ...]:
        values = self._values
        now = values[-1]
        unit = max(self._scale, 0.05 * self._slow, 1e-9)
        angle = 2 * math.pi * ((step * STEP_S) % DAY_S) / DAY_S

        def back(steps: int) -> float:
            return (now - values[max(len(values) - 1 - steps, 0)]) / unit

        return (
            back(1),
            back(3),
            back(6),
            back(LAGS),
            (self._fast - now) / unit,
            (self._slow - now) / unit,
            (self._starts[1] - self._starts[0]) / (1.0 + self._starts[1]),
            math.sin(angle),
            math.cos(angle),
        )

    def _trust(self) -> tuple[Trust, str]:
        learned = self._model.learned
        if learned < COLD_LABELS:
            return "cold", f"{learned} of {COLD_LABELS} steps learned"
        ratio = self._error / self._error_last if self._error_last > 0 else 1.0
        self._trusted = ratio < (TRUST_ABOVE if self._trusted else TRUST_BELOW)
        why = f"error {ratio:.2f} times the last value's"
        return ("predictive" if self._trusted else "reactive"), why

    def state(self) -> ForecasterState:
        """All that was learned and promised."""
        return ForecasterState(
            model=self._model.state(),
            promises=self._promises.state(),
            values=self._values.tolist(),
            starts=self._starts,
            averages=(self._scale, self._fast, self._slow),
            errors=(self._error, self._error_last),
            trusted=self._trusted,
            missed=self._missed.state(),
            expert=self._expert.state(),
            last=self._last.state(),
            outlook=self.outlook,
        )

    @classmethod
    def restored(cls, state: ForecasterState) -> Forecaster:
        """The forecaster of a state: it goes on as the one that the state was taken of."""
        made = cls()
        made._model = ResidualModel.restored(state.model)
        made._promises = Promises.restored(len(FEATURES), state.promises)
        made._values = array("d", state.values)
        made._starts = state.starts
        made._scale, made._fast, made._slow = state.averages
        made._error, made._error_last = state.errors
        made._trusted = state.trusted
        made._missed = Largest(*state.missed)
        made._expert = Residuals(state.expert)
        made._last = Residuals(state.last)
        made.outlook = state.outlook
        return made
