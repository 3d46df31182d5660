"""Follows single events of the reaction bench through the topics.

Rule: times between topics are the broker's append times, in milliseconds; the first and the last
are of this machine's clock too, as everything runs on it.
Flow: telemetry -> load -> decisions -> outcomes.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.domain.load import Load
from models.domain.outcome import Outcome, Result
from streams import codec
from streams.settings import Settings

IN_FLIGHT = 30
"""Of which, over the window that demand is averaged over, a third counts at once: more than one
replica serves."""
LIMIT_S = 10.0
PAUSE_S = 0.5
"""Between two events: the control plane has started the pod that the one before led to."""

HOPS = ("ingest", "aggregate", "plan", "actuate")
"""From sending to the telemetry log; to the load log; to the log of decisions; to the patch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event: Unix seconds at which it was sent, and where it led."""

    sent: float
    telemetry: float
    load: float
    decision: float
    patched: float

    @property
    def patched_s(self) -> float:
        """From sending it to the API server's answer."""
        return self.patched - self.sent

    def hop_s(self, hop: str) -> float:
        """Seconds of one of ``HOPS``."""
        ends = (self.sent, self.telemetry, self.load, self.decision, self.patched)
        number = HOPS.index(hop)
        return ends[number + 1] - ends[number]


class Follower:
    """What the topics say of the workloads that the samples belong to."""

    def __init__(self, settings: Settings, workloads: frozenset[str]) -> None:
        """Nothing is read before ``start``."""
        self._settings = settings
        self._workloads = workloads
        self._loads: dict[str, list[tuple[Load, float]]] = {}
        self._decisions: dict[tuple[int, int], tuple[str, float]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin at the topics' present ends."""
        begun = [asyncio.Event() for _ in range(2)]
        self._tasks = [
            asyncio.create_task(self._read(("decisions", "outcomes"), begun[0])),
            asyncio.create_task(self._read(("load",), begun[1])),
        ]
        await asyncio.gather(*(event.wait() for event in begun))

    async def stop(self) -> None:
        """Read no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def outcome(self, event: tuple[int, int]) -> Outcome | None:
        """What came of an event, given by (partition, offset); None: nothing in time."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            decision, _ = self._decisions.get(event, ("", 0.0))
            if decision in self._outcomes:
                return self._outcomes[decision]
            await asyncio.sleep(0.005)
        return None

    async def sample(
        self, workload: str, event: tuple[int, int], sent: float, telemetry: float, patched: float
    ) -> Sample | None:
        """All of it; None: no load counts the event."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            for load, at in self._loads.get(workload, ()):
                if load.source == event[0] and load.block <= event[1] <= load.reach:
                    return Sample(
                        sent=sent,
                        telemetry=telemetry,
                        load=at,
                        decision=self._decisions[event][1],
                        patched=patched,
                    )
            await asyncio.sleep(0.005)
        return None

    async def _read(self, names: tuple[str, ...], begun: asyncio.Event) -> None:
        settings = self._settings
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, fetch_max_wait_ms=50)
        await consumer.start()
        try:
            prefix = settings.topic_prefix
            tps = [
                TopicPartition(prefix + name, number)
                for name in names
                for number in range(settings.partitions)
            ]
            consumer.assign(tps)
            await consumer.seek_to_end(*tps)
            begun.set()
            async for record in consumer:
                self._take(record.topic.removeprefix(prefix), record.value, record.timestamp / 1e3)
        finally:
            await consumer.stop()

    def _take(self, topic: str, value: bytes, at: float) -> None:
        if topic == "load":
            for record in codec.load_records(value):
                if isinstance(record, Load) and record.workload in self._workloads:
                    self._loads.setdefault(record.workload, []).append((record, at))
        elif topic == "decisions":
            decision = codec.decision(value)
            cause = decision.inputs.cause
            if cause is not None and decision.workload in self._workloads:
                self._decisions.setdefault((cause.source, cause.offset), (decision.id, at))
        else:
            outcome = codec.outcome(value)
            if outcome.workload in self._workloads:
                self._outcomes[outcome.decision] = outcome


async def follow(settings: Settings, workloads: list[str]) -> tuple[list[Sample], int]:
    """One event of each workload, one at a time; and how many came to nothing.

    The first of the workloads warms connections up, and is not among the samples.
    """
    follower = Follower(settings, frozenset(workloads))
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all")
    await producer.start()
    samples: list[Sample] = []
    unmatched = 0
    try:
        await follower.start()
        for number, workload in enumerate(workloads):
            sample = await _one(settings, producer, follower, workload)
            if sample is None:
                unmatched += 1
            elif number > 0:
                samples.append(sample)
            await asyncio.sleep(PAUSE_S)
    finally:
        await producer.stop()
        await follower.stop()
    return samples, unmatched


async def _one(
    settings: Settings, producer: AIOKafkaProducer, follower: Follower, workload: str
) -> Sample | None:
    sent = time.time()
    event = {
        "v": 1,
        "kind": "resource",
        "workload": workload,
        "at": sent,
        "pod": "p0",
        "in_flight": IN_FLIGHT,
        "queue_depth": 0,
    }
    placed = await producer.send_and_wait(
        f"{settings.topic_prefix}telemetry", orjson.dumps(event), key=workload.encode()
    )
    place = (placed.partition, placed.offset)
    outcome = await follower.outcome(place)
    if outcome is None or outcome.result is not Result.APPLIED:
        return None
    appended = placed.timestamp / 1e3
    return await follower.sample(workload, place, sent, appended, outcome.wall_at)
