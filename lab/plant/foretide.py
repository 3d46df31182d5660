"""Foretide on the plant: the very Fleet that runs live, told second by second what a plant tells.

Rule: nothing of the policy is here; this writes the loads that ``aggregate`` would have written,
applies them as ``plan`` would, and carries out the decisions.
Flow: Plant.advance -> Load, Progress -> Fleet.apply -> Plant.scale.
"""

from __future__ import annotations

from collections.abc import Iterable

from lab.plant.events import Finished, PlantEvent, Started
from lab.plant.plant import Plant
from models import sketch
from models.domain.decision import Decision
from models.domain.forecast import Forecast
from models.domain.load import DEFAULT_VARIANT, Load, PodGauge, Progress, ReplicaGauge
from models.domain.load import SourceProgress as Source
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.scaler import Scaler
from models.step import SpecChange, Step

LATENESS_S = 2.0
VALID_S = 60.0
"""As a worker has them by default (``streams.settings``; a test says so)."""


class Foretide:
    """One workload.  ``acts`` False: it decides and nothing is carried out."""

    def __init__(self, plant: Plant, spec: AgentScaler, *, acts: bool = True) -> None:
        """``spec`` holds from the first second on; ``plant`` stands at its begin, a whole one."""
        self.plant = plant
        self.fleet = Fleet(lateness_s=LATENESS_S, valid_s=VALID_S)
        self.decisions: list[Decision] = []
        self.forecasts: list[Forecast] = []
        self.steps: list[Step] = []
        """Kept while ``keeps`` is set, to apply again."""
        self.keeps = False
        self._acts = acts
        self._variant: str | None = None
        self._leaving: tuple[str, ...] = ()
        self._workload = spec.workload
        self._specs: tuple[SpecChange, ...] = (
            SpecChange(workload=spec.workload, revision=1, spec=spec),
        )
        self._now = round(plant.begin)
        self._partials = 0
        self._started: set[str] = {pod.name for pod in plant.pods()}

    def second(self) -> None:
        """Let one second pass."""
        self._now += 1
        events = self.plant.advance(float(self._now))
        loads = self._loads(events)
        source = Source(
            source=0, position=self._partials + 1, watermark=float(self._now), done=self._partials
        )
        step = Step(
            now=float(self._now),
            generation=1,
            era=0,
            specs=self._specs,
            records=(*loads, Progress(sources=1, progress=(source,))),
            tick=True,
        )
        self._specs = ()
        if self.keeps:
            self.steps.append(step)
        result = self.fleet.apply(step)
        self.forecasts.extend(result.forecasts)
        self.decisions.extend(result.decisions)
        if self._acts and result.decisions:
            wanted = sum(result.decisions[-1].to.replicas.values())
            self.plant.scale(wanted, float(self._now), self._variant)
        self._roll()

    @property
    def scaler(self) -> Scaler:
        """The workload's planner."""
        return self.fleet.scaler(self._workload)

    def release(self, variant: str, *leaving: str) -> None:
        """A release: from now on replicas are of ``variant``, as many as there are.

        Those of ``leaving`` are given up once these are ready (blue and green).
        """
        self.plant.scale(self.plant.desired, float(self._now), variant)
        self._variant, self._leaving = variant, leaving

    @property
    def rolled(self) -> bool:
        """Whether no release is under way."""
        return not self._leaving

    def _roll(self) -> None:
        """Give up what leaves, once the new ones are ready."""
        if self._leaving and not self.plant.starting:
            for variant in self._leaving:
                self.plant.scale(0, float(self._now), variant)
            self._leaving = ()

    def _loads(self, events: Iterable[PlantEvent]) -> list[Load]:
        """A partial for each second that something is told of; the newest has the replicas."""
        by_second: dict[int, list[PlantEvent]] = {}
        for event in events:
            by_second.setdefault(int(event.at), []).append(event)
        by_second.setdefault(self._now, [])
        loads = []
        for second, told in sorted(by_second.items()):
            self._partials += 1
            replicas = {DEFAULT_VARIANT: self._replicas()} if second == self._now else {}
            began = self._began() if second == self._now else ()
            loads.append(self._load(second, told, replicas, began))
        return loads

    def _load(
        self,
        second: int,
        told: list[PlantEvent],
        replicas: dict[str, ReplicaGauge],
        began: tuple[float, ...],
    ) -> Load:
        started = [event for event in told if isinstance(event, Started)]
        ended = [event for event in told if isinstance(event, Finished)]
        timed = [round(event.latency_s * 1e6) for event in ended if event.status == "ok"]
        latency: dict[int, int] = {}
        for value in timed:
            bucket = sketch.bucket(value)
            latency[bucket] = latency.get(bucket, 0) + 1
        pods = {
            event.pod: PodGauge(
                at_us=round(event.at * 1e6),
                in_flight=event.in_flight,
                queue_depth=event.queue_depth,
            )
            for event in told
            if not isinstance(event, Started | Finished)
        }
        return Load(
            workload=self._workload,
            second=second,
            source=0,
            block=self._partials,
            reach=self._partials,
            sent_us=round(max([event.at for event in told], default=float(second)) * 1e6),
            events=len(told) + len(replicas),
            started=len(started),
            finished=len(ended),
            errors=sum(event.status == "error" for event in ended),
            dropped=sum(event.status == "dropped" for event in ended),
            latency_count=len(timed),
            latency_us=sum(timed),
            latency=latency,
            tokens_in_started=sum(event.tokens_in for event in started),
            tokens_in=sum(event.tokens_in for event in ended),
            tokens_out=sum(event.tokens_out for event in ended),
            pods=pods,
            replicas=replicas,
            started_s=began,
        )

    def _replicas(self) -> ReplicaGauge:
        plant = self.plant
        if self._leaving:  # The platform shows one deployment; what leaves is not of it.
            ready = sum(pod.ready_at is not None for pod in plant.pods(self._variant))
            wanted = len(plant.pods(self._variant))
            return ReplicaGauge(
                at_us=self._now * 1_000_000,
                desired=wanted,
                ready=plant.ready,
                starting=wanted - ready,
            )
        return ReplicaGauge(
            at_us=self._now * 1_000_000,
            desired=plant.desired,
            ready=plant.ready,
            starting=plant.starting,
        )

    def _began(self) -> tuple[float, ...]:
        """Start-up times of the replicas that became ready since the last time."""
        found = []
        for pod in self.plant.pods():
            if pod.ready_at is not None and pod.name not in self._started:
                self._started.add(pod.name)
                found.append(pod.ready_at - pod.created_at)
        return tuple(found)
