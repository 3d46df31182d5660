"""The service of the demo: the plant, telling of itself through the public client library.

Rule: it publishes what a real service would, no more, and never waits for the loop.
Flow: plant -> foretide_client -> Kafka; Kubernetes facade -> plant.
"""

from __future__ import annotations

import asyncio

from foretide_client import AsyncTelemetry

from actuators.clock import Clock
from lab.kubeapi import KubeApi
from lab.plant import Finished, Plant, PlantEvent, Started

STEP_WALL_S = 0.01
"""How often the plant is advanced, of the machine's clock."""


class Service:
    """Advances the plant with the clock and publishes what happens."""

    def __init__(self, plant: Plant, api: KubeApi, telemetry: AsyncTelemetry, clock: Clock) -> None:
        self.published = 0
        self._plant = plant
        self._api = api
        self._telemetry = telemetry
        self._clock = clock
        self._mirrored = -1

    async def run(self, until: float) -> None:
        """Run until all arrivals have been served, at the latest until ``until``."""
        while not self._plant.drained and self._clock.now() < until:
            self.advance()
            await asyncio.sleep(STEP_WALL_S)
        self.advance()

    async def idle(self) -> None:
        """Go on without traffic, until cancelled."""
        while True:
            self.advance()
            await asyncio.sleep(0.1)

    def advance(self) -> None:
        """Let the plant catch up with the clock."""
        for event in self._plant.advance(self._clock.now()):
            self._publish(event)
            self.published += 1
        if self._plant.changes != self._mirrored:
            self._mirrored = self._plant.changes
            self._api.refresh()

    def _publish(self, event: PlantEvent) -> None:
        if isinstance(event, Started):
            self._telemetry.request_started(
                at=event.at,
                tokens_in=event.tokens_in,
                tenant=event.tenant or None,
                session=event.session or None,
                opens_session=event.opens or None,
            )
        elif isinstance(event, Finished):
            self._telemetry.request_finished(
                at=event.at,
                latency_s=event.latency_s,
                tokens_in=event.tokens_in,
                tokens_out=event.tokens_out,
                status=event.status,
                pod=event.pod,
                tenant=event.tenant or None,
                session=event.session or None,
            )
        else:
            self._telemetry.resource(
                at=event.at,
                pod=event.pod,
                in_flight=event.in_flight,
                queue_depth=event.queue_depth,
                gpu_ratio=event.busy_ratio,
            )
