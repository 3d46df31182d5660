"""What the plant tells, as records of telemetry: as a service publishes and ``actuate`` reports.

Rule: a record for each event and nothing that an event does not say; replicas are reported when
they changed, with the start-up times of those that nobody has seen ready before.
Flow: Plant.advance -> records -> BlockFold (lab.plant.foretide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UNSET

from lab.plant.events import Finished, PlantEvent, Started
from lab.plant.plant import Plant
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.domain.version import version


class PlantTelemetry:
    """One workload's, of a plant that stands at its begin."""

    def __init__(self, workload: str, plant: Plant) -> None:
        self.variant: str | None = None
        """Replicas of this variant are reported, as the platform shows one deployment; None: all.
        """
        self._workload = workload
        self._plant = plant
        self._reported: tuple[int, str | None] | None = None
        # Those that stand at the begin started before anybody watched.
        self._known = {pod.uid for pod in plant.pods()}

    def since(self, events: Iterable[PlantEvent], now: float) -> Iterator[Telemetry]:
        """Records of ``events``, and of the replicas at ``now`` if they changed."""
        for event in events:
            yield self._event(event)
        standing = self._plant.changes, self.variant
        if standing != self._reported:
            self._reported = standing
            yield self._replicas(now)

    def _replicas(self, at: float) -> ReplicaReport:
        plant = self._plant
        begun = [p for p in plant.pods() if p.ready_at is not None and p.uid not in self._known]
        self._known.update(pod.uid for pod in begun)
        desired, starting = plant.desired, plant.starting
        if self.variant is not None:
            pods = plant.pods(self.variant)
            desired = len(pods)
            starting = sum(pod.ready_at is None for pod in pods)
        return ReplicaReport(
            v=version(),
            workload=self._workload,
            at=at,
            desired=desired,
            ready=plant.ready,
            starting=starting,
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
                opens_session=event.opens or UNSET,
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
