"""Foretide in the laboratory: the very Fleet that runs live, told of the trial second by second.

Rule: nothing of the policy is here; this writes the loads that ``aggregate`` would have written,
applies them as ``plan`` would, and reads the decision.  A second whose telemetry was silent has
neither a load nor progress, only a tick.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.fluid.run import Due
from lab.fluid.trial import MOST, USABLE, Trial
from models.domain.load import DEFAULT_VARIANT, Load, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.step import SpecChange, Step

BEGIN = 1_699_920_000
"""Midnight UTC, where a trial begins: models may know the time of day."""

LATENESS_S = 2.0
VALID_S = 60.0
"""As a worker has them by default (``streams.settings``; a test says so)."""

TOLD_STARTS = 30
"""Start-up times told at once; more are not remembered (``models.horizon.KEPT``)."""


def default_spec(trial: Trial) -> AgentScaler:
    """The spec of a bare series: bounds and budget of the trial, everything else left out.

    A request may take as long as a step, because overload within a step is judged by its mean.
    """
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "series", "namespace": "lab"},
            "spec": {
                "target": {"name": "series"},
                "replicas": {"min": trial.least, "max": min(max(trial.most, 1), MOST)},
                "slo": {
                    "latencySeconds": float(trial.series.step_s),
                    "violations": trial.violations,
                },
            },
        }
    )


class Foretide:
    """A ``Stream`` around a Fleet of one workload."""

    name = "foretide"

    def __init__(self, trial: Trial, factor: float, spec: AgentScaler | None = None) -> None:
        """``factor``: telemetry's whole numbers to one unit of the series (``Observed.factor``).

        Of ``spec`` the demand is replaced: requests, 0.9 of a replica's capacity.
        """
        given = default_spec(trial) if spec is None else spec
        per_replica = USABLE * trial.capacity * factor
        demand = given.spec.demand.model_copy(
            update={"unit": "requests", "per_replica": per_replica}
        )
        wanted = given.model_copy(update={"spec": given.spec.model_copy(update={"demand": demand})})
        self.forecasts: list[Due] = []
        self._factor = factor
        self._workload = wanted.workload
        self._fleet = Fleet(lateness_s=LATENESS_S, valid_s=VALID_S)
        self._specs: tuple[SpecChange, ...] = (
            SpecChange(workload=wanted.workload, revision=1, spec=wanted),
        )

    def second(
        self, now: float, arrived: int | None, asked: int, ready: int, began: Sequence[float]
    ) -> int:
        """One second: its load, its progress, a step of the fleet."""
        at = BEGIN + now
        records: tuple[Load | Progress, ...] = ()
        if arrived is not None:
            second = BEGIN + int(now) - 1
            at_us = int(at * 1e6)
            gauge = ReplicaGauge(
                at_us=at_us, desired=asked, ready=ready, starting=max(asked - ready, 0)
            )
            load = Load(
                workload=self._workload,
                second=second,
                source=0,
                block=second,
                reach=second,
                sent_us=at_us,
                events=arrived + 1,
                started=arrived,
                replicas={DEFAULT_VARIANT: gauge},
                started_s=tuple(began[:TOLD_STARTS]),
            )
            report = SourceProgress(source=0, position=second + 1, watermark=at, done=second + 1)
            records = load, Progress(sources=1, progress=(report,))
        result = self._fleet.apply(
            Step(now=at, generation=1, era=0, specs=self._specs, records=records, tick=True)
        )
        self._specs = ()
        for forecast in result.forecasts:
            due = forecast.at + forecast.horizon_s - BEGIN
            upper = max(forecast.quantiles.values())
            self.forecasts.append((due, forecast.centre / self._factor, upper / self._factor))
        if not result.decisions:
            return asked
        return sum(result.decisions[-1].to.replicas.values())
