"""Publisher: sends traffic, and knows for sure what of it the broker has taken in.

Rule: an event counts when the broker has acknowledged it; an idempotent producer asks again for
as long as it takes, so that no outcome stays unknown, and one that does fails the run.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from aiokafka import AIOKafkaProducer

from streams.settings import Settings

from .traffic import Message, Traffic

TICK_S = 0.02
IN_FLIGHT = 2000
"""Messages on the way at most; what a broker that is away holds up."""
RESOLVE_S = 120.0

Place = tuple[str, int, int, int | None]
"""Topic, partition, offset, index in the array."""


class Publisher:
    """One producer.  ``acknowledged`` and ``refused`` are what must be found again."""

    def __init__(self, settings: Settings, traffic: Traffic, *, rate_per_s: float) -> None:
        """``rate_per_s``: events per second, about."""
        self._settings = settings
        self._topic = f"{settings.topic_prefix}telemetry"
        self._traffic = traffic
        self._rate_per_s = rate_per_s
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._failure: BaseException | None = None
        self.sent = 0
        self.messages = 0
        self.late = 0
        self.acknowledged: Counter[str] = Counter()
        self.refused: set[Place] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop``; returns when everything sent is acknowledged.

        Raises when a send failed for good: the run is then worth nothing.
        """
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=int(RESOLVE_S * 1000),
        )
        await producer.start()
        try:
            await self._send(producer, stop)
            async with asyncio.timeout(RESOLVE_S):
                for _ in range(IN_FLIGHT):
                    await self._room.acquire()
        finally:
            await producer.stop()
        if self._failure is not None:
            raise self._failure
        if self.sent != self.acknowledged.total():
            raise AssertionError(f"{self.sent} sent, {self.acknowledged.total()} acknowledged")

    async def _send(self, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        due, before = 0.0, time.monotonic()
        while not stop.is_set() and self._failure is None:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            due = min(due + (now - before) * self._rate_per_s, self._rate_per_s)
            before = now
            while due > 0:
                message = self._traffic.message(time.time())
                due -= max(message.events.total(), 1)
                await self._room.acquire()
                future = await producer.send(
                    self._topic, message.value, key=message.key, partition=message.partition
                )
                self.sent += message.events.total()
                future.add_done_callback(
                    lambda done, message=message: self._answered(message, done)
                )

    def _answered(self, message: Message, answer: asyncio.Future[object]) -> None:
        self._room.release()
        failure = answer.exception()
        if failure is not None:
            self._failure = failure
            return
        placed = answer.result()
        self.messages += 1
        self.late += message.late
        self.acknowledged += message.events
        for index in message.refused:
            self.refused.add((self._topic, message.partition, placed.offset, index))  # type: ignore[attr-defined]
