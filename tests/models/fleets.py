"""Driving a Fleet with numbers: one source, one workload, seconds that pass."""

from __future__ import annotations

from typing import Any

from models.blocks import BlockFold
from models.domain.decision import Decision
from models.domain.load import Load, Progress, SourceProgress
from models.domain.spec import AgentScaler
from models.domain.telemetry import ReplicaReport, Resource, Telemetry
from models.fleet import Fleet
from models.step import SpecChange, Step, StepResult
from tests.models.folding import fold_one

W = "prod/bot"
BEGIN = 1_700_000_000


def agent(**spec: Any) -> AgentScaler:
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "bot", "namespace": "prod"},
            "spec": {
                "target": {"name": "bot"},
                "replicas": {"min": 1, "max": 20},
                "demand": {"unit": "concurrency", "perReplica": 4},
                **spec,
            },
        }
    )


def load_of(second: int, finished: int, **more: Any) -> Load:
    """A load of a block of its own, in which so many requests ``finished``."""
    told = {
        "workload": W,
        "second": second,
        "source": 0,
        "block": second,
        "reach": second,
        "sent_us": second * 1_000_000,
        "events": finished,
        "finished": finished,
    }
    return Load(**told | more)


class Driver:
    """``second`` lets one second pass; replicas follow decisions at once unless ``obey`` is off."""

    def __init__(self, *, obey: bool = True, replicas: int = 1, **spec: Any) -> None:
        self.fleet = Fleet(lateness_s=1.0, valid_s=30.0)
        self.steps: list[Step] = []
        self.decisions: list[Decision] = []
        self.now = float(BEGIN)
        self.replicas = replicas
        self.obey = obey
        self._fold = BlockFold(0)
        self._offset = 0
        self._spec: tuple[SpecChange, ...] = (
            SpecChange(workload=W, revision=1, spec=agent(**spec)),
        )

    def respec(self, revision: int, **spec: Any) -> None:
        self._spec = (SpecChange(workload=W, revision=revision, spec=agent(**spec)),)

    def second(
        self,
        in_flight: float | None,
        *,
        progress: bool = True,
        events: list[Telemetry] | None = None,
    ) -> StepResult:
        self.now += 1.0
        told: list[Telemetry] = list(events or [])
        if in_flight is not None:
            told.append(
                Resource(
                    v=1, workload=W, at=self.now, pod="p", in_flight=int(in_flight), queue_depth=0
                )
            )
        if progress or in_flight is not None:
            told.append(
                ReplicaReport(
                    v=1, workload=W, at=self.now, desired=self.replicas, ready=self.replicas
                )
            )
        fold_one(self._fold, self._offset, int(self.now * 1000), told)
        self._offset += 1
        records: list[Any] = list(self._fold.drain())
        if progress:
            report = SourceProgress(
                source=0, position=self._offset, watermark=self.now, done=self._fold.block or 0
            )
            records.append(Progress(sources=1, progress=(report,)))
        return self.step(records)

    def step(self, records: list[Any]) -> StepResult:
        step = Step(
            now=self.now, generation=1, era=0, specs=self._spec, records=tuple(records), tick=True
        )
        self._spec = ()
        self.steps.append(step)
        result = self.fleet.apply(step)
        self.decisions.extend(result.decisions)
        if result.decisions and self.obey:
            self.replicas = result.decisions[-1].to.replicas["default"]
        return result
