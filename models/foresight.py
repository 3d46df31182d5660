"""Foresight: what is ahead of one workload, and which way of sizing is followed for it.

Rule: it learns from steps that are over alone, each of them once; what it is asked for is of the
newest of them.
Flow: Scaler.close -> due, close -> Forecaster, Sizing; by_demand, Known -> ahead; Fleet -> record.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from models import sketch
from models.demand import DemandMeter
from models.domain.forecast import Forecast
from models.domain.spec import ScalerSpec
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads
from models.forecasting.outlook import ForecasterState, Outlook
from models.grid import STEP_S
from models.policy.limits import Limits
from models.policy.tolerance import down
from models.sizing import Sizing, SizingState, Stride

LEVEL = 0.95
"""Quantile of demand that forecasts are published with, and sized to while they are cold."""

BUDGET = 0.01
"""Share of requests that may miss the SLO where the spec has none."""


class Given(NamedTuple):
    """What holds while steps are closed; ``capacity`` of a replica in demand's unit, if known."""

    spec: ScalerSpec
    demand: DemandMeter
    limits: Limits
    horizon_s: float
    capacity: float | None


class Foresight:
    """Of one workload."""

    __slots__ = ("_next_step", "_stood", "forecaster", "sizing")

    def __init__(self) -> None:
        """Nothing was closed yet."""
        self._stood: int | None = None
        """Replicas ready when the last step ended."""
        self.begin()

    def begin(self) -> None:
        """Demand is measured otherwise from now on: what was learned of it is void."""
        self.forecaster = Forecaster()
        self.sizing = Sizing(STEP_S)
        self._next_step: int | None = None

    def due(self, demand: DemandMeter, through: int) -> range:
        """The steps that are over with second ``through``, and were not asked for before."""
        first = demand.first_step()
        if first is None:
            return range(0)
        asked = first if self._next_step is None else self._next_step
        last = demand.last_step(through)
        self._next_step = max(asked, last + 1)
        return range(max(asked, first), last + 1)

    def close(self, steps: range, given: Given) -> bool:
        """Learn from ``steps``; False: not one of them has a value."""
        ended, demand = False, given.demand
        ahead = math.ceil(given.horizon_s / STEP_S)
        for step in steps:
            value = demand.step(step)
            if value is None:
                continue
            leads = Leads(demand.starts(step), demand.session_starts(step))
            tenants = demand.tenants(step, value)
            self.forecaster.close(step, value, leads, ahead, tenants)
            self._size(step, value, given)
            ended = True
        return ended

    def _size(self, step: int, value: float, given: Given) -> None:
        """Score what could have been done in a step that is over, and what was done."""
        outlook, spec, demand = self.forecaster.outlook, given.spec, given.demand
        if given.capacity is None or outlook is None:
            return
        reported = demand.window.replicas.values()
        ready = sum(gauge.ready for gauge in reported) if reported else None
        stood, self._stood = self._stood, ready
        centre, scale = self._expected(outlook)
        limits = given.limits.at(float(demand.end_of(step)), given.horizon_s)
        self.sizing.close(
            Stride(
                step=step,
                demand=value,
                requests=demand.requests(step),
                patience_steps=demand.patience_steps,
                centre=centre,
                scale=scale,
                horizon_s=given.horizon_s,
                startup_steps=math.ceil(given.horizon_s / STEP_S) - 1,
                capacity=given.capacity,
                least=limits.min,
                most=limits.max,
                tolerance=down(spec.behavior),
                budget=BUDGET if spec.slo is None else spec.slo.violations,
                desired=sum(gauge.desired for gauge in reported) if reported else None,
                ready=ready if stood is None or ready is None else min(ready, stood),
                slow=_slow(step, given),
                open=demand.open,
                acting=spec.mode == "Active" and not spec.pause.any,
                window_s=spec.behavior.scale_down.stabilization_window_seconds,
            )
        )

    def _expected(self, outlook: Outlook) -> tuple[float, float]:
        """Centre and scale of what is ahead; while cold it is wide, and not a matter of margins."""
        if outlook.trust == "cold":
            return self.forecaster.quantile(LEVEL) or outlook.last, 0.0
        return outlook.centre, outlook.scale

    def ahead(self, demand: DemandMeter) -> float | None:
        """Demand to size for at the horizon; None before a step is over."""
        outlook = self.forecaster.outlook
        if outlook is None:
            return None
        centre, scale = self._expected(outlook)
        scale = self.sizing.scale(centre, scale, demand.patience_steps)
        return max(centre + self.sizing.margin * scale, 0.0)

    @property
    def sized(self) -> bool:
        """Whether sizing has closed the newest step; not where its capacity was unknown."""
        outlook = self.forecaster.outlook
        return outlook is not None and self.sizing.step == outlook.step

    @property
    def asked(self) -> tuple[float, float] | None:
        """Demand that replicas are asked for: the mean of ten minutes, and of the newest step.

        None where that is not known.
        """
        return (self.sizing.asked, self.sizing.asking) if self.sized else None

    def record(self, workload: str, demand: DemandMeter) -> Forecast | None:
        """The forecast of the newest closed step; None before there is one.

        ``at`` is the end of that step, so the record is the same whenever it is asked for.
        """
        outlook = self.forecaster.outlook
        quantile = self.forecaster.quantile(LEVEL)
        if outlook is None or quantile is None:
            return None
        return Forecast(
            workload=workload,
            at=float(demand.end_of(outlook.step)),
            horizon_s=float(outlook.horizon_steps * STEP_S),
            unit=demand.unit,
            demand=outlook.last,
            centre=outlook.centre,
            quantiles={f"{LEVEL:g}": max(quantile, outlook.centre)},
            trust=outlook.trust,
            model="mixture" if outlook.trust == "predictive" else "last-value",
        )

    def state(self) -> tuple[int | None, ForecasterState, SizingState, int | None]:
        """All that is remembered, as ``restore`` takes it."""
        return self._next_step, self.forecaster.state(), self.sizing.state(), self._stood

    def restore(
        self,
        next_step: int | None,
        forecaster: ForecasterState,
        sizing: SizingState,
        stood: int | None,
    ) -> None:
        """Take up what was remembered: the step to ask for next, what was learned, who stood."""
        self._next_step, self._stood = next_step, stood
        self.forecaster = Forecaster.restored(forecaster)
        self.sizing = Sizing.restored(STEP_S, sizing)


def _slow(step: int, given: Given) -> tuple[int, int] | None:
    """Of the newest requests that ended, how many missed the SLO; None: not measured."""
    slo, demand = given.spec.slo, given.demand
    if slo is None:
        return None
    counts, dropped = demand.window.ended_of(demand.end_of(step) - 1)
    total = sum(counts.values()) + dropped
    slow = sketch.slower(counts, slo.latency_seconds) + dropped
    return (slow, total) if total else None
