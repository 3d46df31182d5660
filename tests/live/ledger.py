"""What the topics hold, read again by the tests: the account that totals are held to."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.domain.load import Load
from models.merge import Merge
from streams import codec
from streams.settings import Settings


class Row(NamedTuple):
    partition: int
    offset: int
    at: float
    """When it was appended, Unix seconds."""
    value: bytes


async def rows(settings: Settings, topic: str) -> list[Row]:
    """All records up to the present end, by partition in the order of the log."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, fetch_max_wait_ms=50)
    await consumer.start()
    found: list[Row] = []
    try:
        name = settings.topic_prefix + topic
        tps = [TopicPartition(name, number) for number in range(settings.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            fetched = await consumer.getmany(timeout_ms=200)
            for tp, records in fetched.items():
                found += [
                    Row(tp.partition, r.offset, r.timestamp / 1000.0, r.value) for r in records
                ]
    finally:
        await consumer.stop()
    return sorted(found)


class Traffic:
    """Single events as services send them, to partitions that the test chooses."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._producer = producer
        self._topic = settings.topic_prefix + "telemetry"
        self._sends: list[asyncio.Future[Any]] = []
        self.sent: Counter[str] = Counter()
        """By workload."""

    async def request(self, workload: str, partition: int, at: float, **more: Any) -> None:
        event = {"v": 1, "kind": "request", "workload": workload, "at": at, **more}
        value = json.dumps(event).encode()
        self._sends.append(await self._producer.send(self._topic, value, partition=partition))
        self.sent[workload] += 1

    async def acknowledged(self) -> None:
        await asyncio.gather(*self._sends)
        self._sends.clear()


@asynccontextmanager
async def traffic(settings: Settings) -> AsyncIterator[Traffic]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        made = Traffic(producer, settings)
        yield made
        await made.acknowledged()
    finally:
        await producer.stop()


def merged(loads: list[Row], lateness_s: float) -> dict[int, Merge]:
    """The load topic's records by partition, merged as plan merges them."""
    merges: dict[int, Merge] = {}
    for row in loads:
        merge = merges.setdefault(row.partition, Merge(lateness_s=lateness_s))
        for record in codec.load_records(row.value):
            if isinstance(record, Load):
                merge.add(record)
            else:
                merge.progress(record)
    return merges


def totals(merges: dict[int, Merge]) -> Counter[str]:
    """Events by workload, over all partitions."""
    return sum((Counter(merge.totals()) for merge in merges.values()), Counter())


async def counted(settings: Settings, expected: Counter[str], *, limit_s: float) -> Counter[str]:
    """Totals of the load topic, once they have reached what is expected, or time is up."""
    deadline = time.monotonic() + limit_s
    while True:
        loads = await rows(settings, "load")
        found = totals(merged(loads, settings.lateness_s))
        if time.monotonic() > deadline or all(found[name] >= n for name, n in expected.items()):
            return found
        await asyncio.sleep(0.5)
