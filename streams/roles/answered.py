"""Which decisions have an outcome already: asked once, by whoever takes over a partition.

Rule: the commit is the oldest decision without an outcome, so what follows it may have one; an
outcome is never older than its decision, so the log is read from the first decision's time on.
Flow: foretide.outcomes -> Actuate, before it takes up a backlog.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams import codec
from streams.kafka.security import client_options
from streams.settings import Settings

log = logging.getLogger(__name__)

PAUSE_S = 0.5
"""Between two attempts; without its broker a worker has nothing else to do either."""


async def answered_since(settings: Settings, partition: int, since_ms: int) -> set[str]:
    """Ids of the decisions of a partition whose outcomes were appended at ``since_ms`` or later.

    ``since_ms``: append time by Kafka's clock.  Reads up to the end that it finds; asks again
    while the broker does not answer.
    """
    while True:
        try:
            return await _read(settings, partition, since_ms)
        except KafkaError as error:
            log.warning("outcomes of partition %d cannot be read: %r; again", partition, error)
            await asyncio.sleep(PAUSE_S)


async def _read(settings: Settings, partition: int, since_ms: int) -> set[str]:
    at = TopicPartition(settings.topic_prefix + "outcomes", partition)
    consumer = AIOKafkaConsumer(**client_options(settings), fetch_max_wait_ms=50)
    await consumer.start()
    try:
        consumer.assign([at])
        first = (await consumer.offsets_for_times({at: since_ms})).get(at)
        if first is None:
            return set()
        end = (await consumer.end_offsets([at]))[at]
        consumer.seek(at, first.offset)
        found: set[str] = set()
        while await consumer.position(at) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    try:
                        found.add(codec.outcome(record.value or b"").decision)
                    except msgspec.MsgspecError:
                        log.exception("%s/%d@%d", at.topic, partition, record.offset)
        return found
    finally:
        await consumer.stop()
