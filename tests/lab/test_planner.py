"""The planner, as both plants use it: a fleet of one workload, second by second."""

from __future__ import annotations

from typing import Any

from lab.planner import BEGIN, Planner
from models.domain.load import Load, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.step import SpecChange, StepResult

W = "prod/a"


def spec(per_replica: float | None) -> AgentScaler:
    demand: dict[str, Any] = {"unit": "requests"}
    if per_replica is not None:
        demand["perReplica"] = per_replica
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "a", "namespace": "prod"},
            "spec": {
                "target": {"name": "a"},
                "replicas": {"min": 1, "max": 200},
                "demand": demand,
                "slo": {"latencySeconds": 60, "violations": 0.01},
            },
        }
    )


class Life:
    """A workload that four replicas stand for, whatever is decided."""

    def __init__(self) -> None:
        self.planner = Planner(spec(8.0))
        self._now, self._revision = float(BEGIN), 1

    def second(self, started: int, change: AgentScaler | None = None) -> StepResult:
        """The next one."""
        self._now += 1.0
        ended = int(self._now) - 1
        if change is not None:
            self._revision += 1
            new = SpecChange(workload=W, revision=self._revision, spec=change)
            self.planner._specs = (new,)
        load = Load(
            workload=W,
            second=ended,
            source=0,
            block=ended,
            reach=ended,
            sent_us=int(self._now * 1e6),
            events=started + 1,
            started=started,
            replicas={
                "default": ReplicaGauge(at_us=int(self._now * 1e6), desired=4, ready=4, starting=0)
            },
        )
        through = SourceProgress(source=0, position=ended + 1, watermark=self._now, done=ended + 1)
        return self.planner.step(self._now, (load,), through)


def test_demand_of_before_capacity_was_unknown_is_not_what_is_there_now() -> None:
    """25 replicas served 200/s; then nobody said what a replica serves, and demand fell to 20/s."""
    life = Life()
    for _ in range(900):
        life.second(200)
    life.second(20, spec(None))
    for _ in range(900):
        life.second(20)
    asked = [life.second(20, spec(8.0) if place == 0 else None) for place in range(120)]
    decided = [sum(d.to.replicas.values()) for result in asked for d in result.decisions]
    assert decided
    assert max(decided) <= 4
