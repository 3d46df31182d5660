"""What the plant tells, as records of telemetry: as a service publishes and ``actuate`` reports.

Rule: a record for each event and nothing that an event does not say; replicas are reported when
they changed, with the start-up times of those that nobody has seen ready before.  Variants are
told of where they are targets of their own, else it is one deployment.
Flow: Plant.advance -> records -> BlockFold (lab.plant.foretide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UNSET, UnsetType

from lab.kubeapi.cluster import PodView
from lab.plant.events import Finished, Gauge, PlantEvent, Started
from lab.plant.plant import Plant
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.domain.version import version


class PlantTelemetry:
    """One workload's, of a plant that stands at its begin."""

    def __init__(
        self, workload: str, plant: Plant, *, by_variant: bool = False, names: bool = True
    ) -> None:
        """``by_variant``: each is reported, all at once, and requests and gauges name theirs.

        ``names`` False: they do not.
        """
        self.variant: str | None = None
        """Replicas of this variant are reported, as the platform shows one deployment; None: all.
        """
        self._workload = workload
        self._plant = plant
        self._by_variant = by_variant
        self._names = by_variant and names
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
            if self._by_variant:
                for variant in self._plant.parameters.fleet():
                    yield self._replicas_of(variant.name, now)
            else:
                yield self._replicas(now)

    def _replicas_of(self, variant: str, at: float) -> ReplicaReport:
        """As the platform shows one deployment of several: what drains is no longer its own."""
        pods = self._plant.pods(variant)
        held = [pod for pod in pods if not pod.deleting]
        return ReplicaReport(
            v=version(),
            workload=self._workload,
            at=at,
            desired=len(held),
            ready=sum(pod.ready_at is not None for pod in held),
            starting=sum(pod.ready_at is None for pod in held),
            started_s=self._started_s(pods),
            variant=variant,
        )

    def _replicas(self, at: float) -> ReplicaReport:
        plant = self._plant
        started_s = self._started_s(plant.pods())
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
            started_s=started_s,
        )

    def _started_s(self, pods: Iterable[PodView]) -> tuple[float, ...]:
        """How long those took that nobody has seen ready before; from now on they are known."""
        begun = [pod for pod in pods if pod.ready_at is not None and pod.uid not in self._known]
        self._known.update(pod.uid for pod in begun)
        return tuple((pod.ready_at or 0.0) - pod.created_at for pod in begun)

    def _variant(self, event: Finished | Gauge) -> str | UnsetType:
        """What a request or a gauge says of its variant; nothing where none had it."""
        return event.variant if self._names and event.variant else UNSET

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
                variant=self._variant(event),
            )
        return Resource(
            v=version(),
            workload=workload,
            at=event.at,
            pod=event.pod,
            in_flight=event.in_flight,
            queue_depth=event.queue_depth,
            variant=self._variant(event),
        )
