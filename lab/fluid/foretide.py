"""Foretide on the fluid plant: told of the trial second by second.

Rule: nothing of the policy is here; this writes the loads that ``aggregate`` would have written,
since a series has counts and no requests to fold.  Where tenants are known, requests end in the
second that they start in, since only what ended names a tenant.  A second whose telemetry was
silent has neither a load nor progress, only a tick.
Flow: Trial -> Load, SourceProgress -> Planner -> replicas.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.fluid.run import Due
from lab.fluid.tenancy import Tenancy
from lab.fluid.trial import MOST, USABLE, Trial
from lab.planner import BEGIN, Planner, wanted
from models.domain.load import DEFAULT_VARIANT, Load, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler, Slo

TOLD_STARTS = 30
"""Start-up times told at once; more are not remembered (``models.horizon.KEPT``)."""


def default_spec(trial: Trial) -> AgentScaler:
    """The spec of a bare series: bounds of the trial, everything else left out."""
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "series", "namespace": "lab"},
            "spec": {
                "target": {"name": "series"},
                "replicas": {"min": trial.least, "max": min(max(trial.most, 1), MOST)},
            },
        }
    )


def fitted(given: AgentScaler, trial: Trial) -> AgentScaler:
    """The spec as this plant can judge it.

    Overload within a step is judged by its mean, so that a request may take as long as one, and
    what has no SLO is given the trial's budget; there are no requests in flight, so that there is
    no work to drain.
    """
    spec, step_s = given.spec, float(trial.series.step_s)
    slo = spec.slo or Slo(latency_seconds=step_s, violations=trial.violations)
    drain = spec.drain.model_copy(update={"budget_seconds": None})
    longer = slo.model_copy(update={"latency_seconds": max(slo.latency_seconds, step_s)})
    return given.model_copy(
        update={"spec": spec.model_copy(update={"slo": longer, "drain": drain})}
    )


class Foretide:
    """A ``Stream`` around a Fleet of one workload."""

    name = "foretide"

    def __init__(self, trial: Trial, factor: float, spec: AgentScaler | None = None) -> None:
        """``factor``: telemetry's whole numbers to one unit of the series (``Observed.factor``).

        Of ``spec`` the demand is replaced: requests, 0.9 of a replica's capacity.
        """
        given = fitted(default_spec(trial) if spec is None else spec, trial)
        per_replica = USABLE * trial.capacity * factor
        demand = given.spec.demand.model_copy(
            update={"unit": "requests", "per_replica": per_replica}
        )
        changed = given.spec.model_copy(update={"demand": demand})
        self.forecasts: list[Due] = []
        self.regret: float | None = None
        """Over the cheapest candidate that kept the budget, as the last decision told it."""
        self._factor = factor
        self._tenancy = Tenancy(trial)
        self._planner = Planner(given.model_copy(update={"spec": changed}))

    def second(
        self, now: float, arrived: int | None, asked: int, ready: int, began: Sequence[float]
    ) -> int:
        """One second: its load, its progress, a step of the planner."""
        at = BEGIN + now
        loads: tuple[Load, ...] = ()
        reported: SourceProgress | None = None
        if arrived is not None:
            second = BEGIN + int(now) - 1
            at_us = int(at * 1e6)
            gauge = ReplicaGauge(
                at_us=at_us, desired=asked, ready=ready, starting=max(asked - ready, 0)
            )
            tenants = self._tenancy.of(int(now) - 1, arrived)
            load = Load(
                workload=self._planner.workload,
                second=second,
                source=0,
                block=second,
                reach=second,
                sent_us=at_us,
                events=arrived + 1 + sum(tenants.values()),
                started=arrived,
                finished=sum(tenants.values()),
                tenants=tenants,
                replicas={DEFAULT_VARIANT: gauge},
                started_s=tuple(began[:TOLD_STARTS]),
            )
            loads = (load,)
            reported = SourceProgress(source=0, position=second + 1, watermark=at, done=second + 1)
        result = self._planner.step(at, loads, reported)
        for forecast in result.forecasts:
            due = forecast.at + forecast.horizon_s - BEGIN
            upper = max(forecast.quantiles.values())
            self.forecasts.append((due, forecast.centre / self._factor, upper / self._factor))
        if result.decisions and result.decisions[-1].sizing is not None:
            self.regret = result.decisions[-1].sizing.regret
        replicas = wanted(result.decisions)
        return asked if replicas is None else replicas
