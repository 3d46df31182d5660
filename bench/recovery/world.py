"""The world of the bench: far too many replicas, that go one at a time, and follow at once.

Rule: one message of many events a second; each workload may lose a replica every two seconds, so
that its next decision is never further away than that.
Flow: decisions -> replicas; demand and replicas -> foretide.telemetry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from models.domain.decision import Decision, Epoch
from streams import codec
from streams.kafka.reader import read
from streams.settings import Settings

BATCH = 100
IN_FLIGHT = 2
REPLICAS = 2000
"""At the beginning."""
PERIOD_S = 2
"""A replica less in so many seconds."""


NO_EPOCH = Epoch(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as it was seen."""

    workload: str
    generation: int
    at: float


def names(count: int) -> list[str]:
    """Workloads, ``default/w00000`` and on."""
    return [f"default/w{number:05d}" for number in range(count)]


def spec(workload: str) -> dict[str, Any]:
    """What is asked for it: a replica for each request, and going there slowly."""
    name = workload.partition("/")[2]
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "AgentScaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "target": {"kind": "Deployment", "name": name},
            "replicas": {"min": 1, "max": 10_000},
            "demand": {"unit": "concurrency", "perReplica": 1},
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": PERIOD_S}],
                }
            },
        },
    }


class World:
    """Publishes telemetry and follows decisions, until told to stop."""

    def __init__(self, settings: Settings, workloads: Sequence[str]) -> None:
        """Nothing is connected before ``run``."""
        self._settings = settings
        self._workloads = list(workloads)
        self.replicas = dict.fromkeys(self._workloads, REPLICAS)
        self._applied: dict[str, Epoch] = {}
        self.decided: list[Decided] = []
        self.sent = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Live until ``stop`` is set."""
        following = asyncio.create_task(self._follow())
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap, acks="all", enable_idempotence=True
        )
        await producer.start()
        try:
            while not stop.is_set():
                due = time.monotonic() + 1.0
                sends = [
                    await producer.send(f"{self._settings.topic_prefix}telemetry", value)
                    for value in self._second(time.time())
                ]
                await asyncio.gather(*sends)
                await asyncio.sleep(max(due - time.monotonic(), 0.0))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await producer.stop()

    def _second(self, now: float) -> Iterator[bytes]:
        for first in range(0, len(self._workloads), BATCH):
            events: list[dict[str, Any]] = []
            for name in self._workloads[first : first + BATCH]:
                common = {"v": 1, "workload": name, "at": now}
                held = self.replicas[name]
                events += [
                    {**common, "kind": "resource", "pod": "p", "in_flight": IN_FLIGHT},
                    {**common, "kind": "replicas", "desired": held, "ready": held},
                ]
            self.sent += len(events)
            yield codec.encode(events)

    async def _follow(self) -> None:
        async for value in read(self._settings, "decisions", from_start=True, follow=True):
            decision: Decision = codec.decision(value)
            if decision.epoch <= self._applied.get(decision.workload, NO_EPOCH):
                continue  # As the actuator: an owner that was overtaken changes nothing.
            self._applied[decision.workload] = decision.epoch
            self.replicas[decision.workload] = sum(decision.to.replicas.values())
            self.decided.append(Decided(decision.workload, decision.epoch.generation, decision.at))
