"""Chaos: carries the schedule out.

Rule: two or three workers at a time, paused ones included; one act after the other, except that a
paused worker stays so while the others go on.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from lab.servers import KafkaServer
from models.domain.load import Load
from streams import codec
from streams.settings import Settings

from .fleet import Fleet, Worker
from .schedule import Act

MOST_WORKERS = 3
MOST_REDELIVERED = 200
REDELIVER_S = 30.0

Say = Callable[[str], None]


class Chaos:
    """See the module's text; ``counts`` says what was done."""

    def __init__(
        self,
        settings: Settings,
        *,
        chance: random.Random,
        kafka: KafkaServer,
        fleet: Fleet,
        say: Say,
    ) -> None:
        """``fleet`` has at least one worker."""
        self._settings = settings
        self._chance = chance
        self._kafka = kafka
        self._fleet = fleet
        self._say = say
        self._pauses: list[asyncio.Task[None]] = []
        self.counts: Counter[str] = Counter()
        self._acts: dict[Act, Callable[[], Awaitable[None]]] = {
            Act.KILL: self._kill,
            Act.MEMBERS: self._members,
            Act.PAUSE: self._pause,
            Act.BROKER: self._broker,
            Act.STALL: self._stall,
            Act.REDELIVER: self._redeliver,
        }

    async def run(self, planned: Sequence[tuple[float, Act]]) -> None:
        """Do what is planned, each at its time or as soon after as may be; ends undisturbed."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for at, act in planned:
                await asyncio.sleep(began + at - loop.time())
                await self._acts[act]()
            await asyncio.gather(*self._pauses)
        finally:
            for task in self._pauses:
                task.cancel()

    async def _kill(self) -> None:
        worker = self._pick(self._fleet.workers)
        state = " while paused" if worker.paused else ""
        self._fleet.kill(worker)
        self.counts["kills"] += 1
        await asyncio.sleep(self._chance.choice([0.0, 0.0, self._chance.uniform(0.0, 2.0)]))
        started = self._fleet.start()
        self._say(f"kill -9 of {worker.name}{state}, {started.name} started")

    async def _members(self) -> None:
        if len(self._fleet.workers) < MOST_WORKERS:
            self._join()
            return
        worker = self._pick(self._running())
        self.counts["leaves"] += 1
        self._say(f"{worker.name} leaves")
        await self._fleet.leave(worker)

    def _join(self) -> None:
        self.counts["joins"] += 1
        self._say(f"{self._fleet.start().name} joins")

    async def _pause(self) -> None:
        if len(self._running()) <= 1:
            self._join()  # A zombie is one only when somebody else takes over.
        worker = self._pick(self._running())
        length_s = self._settings.session_timeout_s + self._chance.uniform(1.0, 5.0)
        self.counts["pauses"] += 1
        self._say(f"{worker.name} is paused for {length_s:.1f} s")
        self._fleet.pause(worker)

        async def resume() -> None:
            await asyncio.sleep(length_s)
            if self._fleet.resume(worker):
                self._say(f"{worker.name} goes on")

        self._pauses.append(asyncio.create_task(resume()))

    def _running(self) -> list[Worker]:
        return [worker for worker in self._fleet.workers if not worker.paused]

    def _pick(self, workers: Sequence[Worker]) -> Worker:
        """One that holds partitions by now, where there is one: others have less to lose."""
        holding = [worker for worker in workers if worker.ready()]
        return self._chance.choice(holding or workers)

    async def _stall(self) -> None:
        length_s = self._settings.session_timeout_s + self._chance.uniform(1.0, 4.0)
        self.counts["broker_stalls"] += 1
        self._say(f"the broker stands still for {length_s:.1f} s")
        self._kafka.pause()
        try:
            await asyncio.sleep(length_s)
        finally:
            self._kafka.resume()

    async def _broker(self) -> None:
        abrupt = self._chance.random() < 1 / 3
        self.counts["broker_restarts"] += 1
        self._say("kill -9 of the broker" if abrupt else "the broker stops")
        await asyncio.to_thread(self._kafka.kill if abrupt else self._kafka.stop)
        await asyncio.sleep(self._chance.uniform(0.0, 3.0))
        await asyncio.to_thread(self._kafka.start)
        self._say("the broker is back")

    async def _redeliver(self) -> None:
        partition = self._chance.randrange(self._settings.partitions)
        place, length = self._chance.random(), self._chance.randint(1, MOST_REDELIVERED)
        async with asyncio.timeout(REDELIVER_S):
            copied, partials = await _redeliver(self._settings, partition, place, length)
        self.counts["duplicated_partials"] += partials
        self._say(f"{copied} messages of load/{partition} again, {partials} partials in them")


async def _redeliver(
    settings: Settings, partition: int, place: float, length: int
) -> tuple[int, int]:
    """Produce a run of messages again, keys and all; returns messages and partials in them."""
    tp = TopicPartition(f"{settings.topic_prefix}load", partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True
    )
    await consumer.start()
    try:
        await producer.start()
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        first = int(place * end)
        last = min(first + length, end)
        consumer.seek(tp, first)
        copied: list[Any] = []
        while first + len(copied) < last:
            fetched = await consumer.getmany(tp, timeout_ms=200, max_records=last - first)
            copied += [record for record in fetched.get(tp, []) if record.offset < last]
        sends = [
            await producer.send(tp.topic, record.value, key=record.key, partition=partition)
            for record in copied
        ]
        await asyncio.gather(*sends)
        found = [item for record in copied for item in codec.load_records(record.value)]
        return len(copied), sum(isinstance(item, Load) for item in found)
    finally:
        await producer.stop()
        await consumer.stop()
