"""Foretide on the per-request plant, in simulated time: telemetry, fold, fleet, as they run live.

Rule: nothing of Foretide is here; events are folded by ``models.blocks`` as ``aggregate`` folds
them, applied by ``models.fleet`` as ``plan`` applies them, and the decision is carried out.
Flow: Plant -> telemetry events -> BlockFold -> Load -> Fleet -> Plant.scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lab.compare import DRAIN_S, RunResult, result_of
from lab.plant import Finished, Plant, PlantEvent, PlantParameters, Started
from lab.traces import Arrival
from models.blocks import BlockFold
from models.columns import ColumnBuilder
from models.domain.load import Progress, SourceProgress
from models.domain.spec import AgentScaler
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.domain.version import version
from models.fleet import Fleet
from models.step import SpecChange, Step

BEGIN = 1_699_920_000.0
"""Midnight UTC, where a run begins, as in the fluid laboratory."""

LATENESS_S = 2.0
VALID_S = 60.0
"""As a worker has them by default (``streams.settings``; a test says so)."""


def plant_spec(parameters: PlantParameters) -> AgentScaler:
    """What a user of such a plant would say: concurrency, its SLO, its bounds."""
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "service", "namespace": "lab"},
            "spec": {
                "target": {"name": "service"},
                "replicas": {"min": parameters.min_replicas, "max": parameters.max_replicas},
                "demand": {"unit": "concurrency", "perReplica": parameters.per_replica},
                "slo": {"latencySeconds": parameters.slo_s, "violations": parameters.violations},
            },
        }
    )


def run_foretide(
    arrivals: tuple[Arrival, ...],
    parameters: PlantParameters,
    *,
    seed: int,
    spec: AgentScaler | None = None,
) -> RunResult:
    """Run Foretide over the whole trace and a drain; it is told, and decides, once a second.

    ``spec`` None: ``plant_spec``.  Live it is told within some 40 ms, so this is slower by half
    a second in the mean.
    """
    wanted = plant_spec(parameters) if spec is None else spec
    plant = Plant(arrivals, parameters, seed=seed, begin=BEGIN)
    telling = _Telling(wanted.workload, plant)
    fleet = Fleet(lateness_s=LATENESS_S, valid_s=VALID_S)
    specs: tuple[SpecChange, ...] = (SpecChange(workload=wanted.workload, revision=1, spec=wanted),)
    end, now = BEGIN + arrivals[-1].at_s, BEGIN
    fold = BlockFold(0)
    number = 0
    while now < end or (not plant.drained and now < end + DRAIN_S):
        now += 1.0
        builder = ColumnBuilder()
        builder.add(0, telling.since(plant.advance(now), now))
        fold.fold(np.array([number]), np.array([int(now) - 1]), builder.build())
        loads = fold.drain()
        number += 1
        report = SourceProgress(source=0, position=number, watermark=now, done=fold.block or 0)
        result = fleet.apply(
            Step(
                now=now,
                generation=1,
                era=0,
                specs=specs,
                records=(*loads, Progress(sources=1, progress=(report,))),
                tick=True,
            )
        )
        specs = ()
        if result.decisions and now <= end:
            plant.scale(sum(result.decisions[-1].to.replicas.values()), now)
    plant.close()
    return result_of("foretide", plant.account, BEGIN)


class _Telling:
    """The plant's events as a service publishes them, and replicas as the platform shows them."""

    def __init__(self, workload: str, plant: Plant) -> None:
        self._workload = workload
        self._plant = plant
        self._changes = -1
        # Those that stand at the begin started before anybody watched.
        self._known = {pod.uid for pod in plant.pods()}

    def since(self, events: Iterable[PlantEvent], now: float) -> Iterator[Telemetry]:
        """What is told of the last second; replicas only when they changed."""
        for event in events:
            yield self._event(event)
        plant = self._plant
        if plant.changes == self._changes:
            return
        self._changes = plant.changes
        begun = [p for p in plant.pods() if p.ready_at is not None and p.uid not in self._known]
        self._known.update(pod.uid for pod in begun)
        yield ReplicaReport(
            v=version(),
            workload=self._workload,
            at=now - 1e-3,
            desired=plant.desired,
            ready=plant.ready,
            starting=plant.starting,
            started_s=tuple((pod.ready_at or 0.0) - pod.created_at for pod in begun),
        )

    def _event(self, event: PlantEvent) -> Telemetry:
        workload = self._workload
        if isinstance(event, Started):
            return Request(
                v=version(),
                workload=workload,
                at=event.at,
                phase="started",
                tokens_in=event.tokens_in,
            )
        if isinstance(event, Finished):
            return Request(
                v=version(),
                workload=workload,
                at=event.at,
                latency_s=event.latency_s,
                tokens_in=event.tokens_in,
                tokens_out=event.tokens_out,
                status=event.status,
            )
        return Resource(
            v=version(),
            workload=workload,
            at=event.at,
            pod=event.pod,
            in_flight=event.in_flight,
            queue_depth=event.queue_depth,
        )
