"""What the plant tells, gathered between two advances.

Rule: of a request's end only when it has ended, of a replica only once it is ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lab.plant.events import Finished, Gauge, PlantEvent, Started
from lab.plant.replica import Replica, Request


class Telling:
    """Events in order.  ``requests_too`` False: gauges only, which is faster."""

    def __init__(self, *, requests_too: bool) -> None:
        self._requests_too = requests_too
        self._events: list[PlantEvent] = []

    def take(self) -> list[PlantEvent]:
        """What there is since the last time."""
        taken, self._events = self._events, []
        return taken

    def started(self, request: Request, at: float) -> None:
        """It arrived."""
        if self._requests_too:
            self._events.append(
                Started(
                    at=at,
                    tokens_in=request.tokens_in,
                    tenant=request.tenant,
                    session=request.session,
                    opens=request.opens,
                )
            )

    def ended(
        self,
        request: Request,
        at: float,
        *,
        pod: str | None = None,
        status: Literal["ok", "dropped", "error"] = "ok",
    ) -> None:
        """It was served, dropped or lost."""
        if self._requests_too:
            self._events.append(
                Finished(
                    at=at,
                    latency_s=at - request.arrived_at,
                    tokens_in=request.tokens_in,
                    tokens_out=request.tokens_out if status == "ok" else 0,
                    pod=pod,
                    status=status,
                    tenant=request.tenant,
                    session=request.session,
                    variant=request.variant,
                )
            )

    def gauges(self, replicas: Sequence[Replica], queued: int, at: float) -> None:
        """What every ready replica reports of itself."""
        serving = [replica for replica in replicas if replica.ready]
        share, left = divmod(queued, max(len(serving), 1))
        for number, replica in enumerate(serving):
            busy = len(replica.flights)
            self._events.append(
                Gauge(
                    at=at,
                    pod=replica.name,
                    in_flight=busy,
                    queue_depth=share + (number < left) + len(replica.waiting),
                    busy_ratio=busy / replica.variant.slots,
                    variant=replica.variant.name,
                )
            )
