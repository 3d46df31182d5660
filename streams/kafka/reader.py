"""Reading a topic without a group: for people, and for the command line.

Rule: reads every partition, leaves no trace in the broker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer

from streams.kafka.security import client_options
from streams.settings import Settings
from streams.topics import TopicsError


async def read(
    settings: Settings, topic: str, *, from_start: bool, follow: bool
) -> AsyncIterator[bytes]:
    """Values of a topic; without ``follow`` up to the present end.

    Raises ``TopicsError`` where there is no such topic.
    """
    await _there(settings, settings.topic_prefix + topic)
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + topic,
        **client_options(settings),
        auto_offset_reset="earliest" if from_start else "latest",
        fetch_max_wait_ms=min(settings.fetch_max_wait_ms, 100),
    )
    await consumer.start()
    try:
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
                    yield record.value
    finally:
        await consumer.stop()


async def _there(settings: Settings, name: str) -> None:
    """Raise ``TopicsError`` where there is no such topic: a consumer would wait for it."""
    consumer = AIOKafkaConsumer(**client_options(settings))
    await consumer.start()
    try:
        if name not in await consumer.topics():
            raise TopicsError(f"topic {name} does not exist: run `foretide topics create`")
    finally:
        await consumer.stop()
