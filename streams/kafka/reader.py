"""Reading a topic without a group: for people, and for the command line.

Rule: reads every partition, leaves no trace in the broker.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer

from streams.kafka.security import client_options
from streams.settings import Settings
from streams.topics import TopicsError


class Logged(NamedTuple):
    """A record's value, and its append time in Unix seconds."""

    value: bytes
    at: float


async def read(
    settings: Settings, topic: str, *, from_start: bool, follow: bool
) -> AsyncIterator[bytes]:
    """The values of ``logged``."""
    async with aclosing(logged(settings, topic, from_start=from_start, follow=follow)) as found:
        async for one in found:
            yield one.value


async def logged(
    settings: Settings, topic: str, *, from_start: bool, follow: bool
) -> AsyncGenerator[Logged]:
    """Records of a topic; without ``follow`` up to the present end.

    Raises ``TopicsError`` where there is no such topic.
    """
    await there(settings, [topic])
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + topic,
        **client_options(settings),
        auto_offset_reset="earliest" if from_start else "latest",
        fetch_max_wait_ms=min(settings.fetch_max_wait_ms, 100),
    )
    try:
        await consumer.start()
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        while True:
            behind = [tp for tp in partitions if await consumer.position(tp) < ends[tp]]
            if not follow and not behind:
                return
            fetched = await consumer.getmany(timeout_ms=200)
            records = [record for found in fetched.values() for record in found]
            for record in sorted(records, key=lambda r: r.timestamp):
                if record.value is not None:
                    yield Logged(record.value, record.timestamp / 1000)
    finally:
        await consumer.stop()


async def there(settings: Settings, topics: Iterable[str]) -> None:
    """Raise ``TopicsError`` where one of them is not there: a consumer would wait for it."""
    consumer = AIOKafkaConsumer(**client_options(settings))
    try:
        await consumer.start()
        known = await consumer.topics()
    finally:
        await consumer.stop()
    for topic in topics:
        name = settings.topic_prefix + topic
        if name not in known:
            raise TopicsError(f"topic {name} does not exist: run `foretide topics create`")
