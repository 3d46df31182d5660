"""Outbox: a producer; every send is a future that somebody awaits.

Rule: acks=all and idempotence always; a record is done when the broker has said so, and a send
that failed for good ends the worker: what was read is read again, nothing is skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from streams.kafka.partitioner import partition_of
from streams.kafka.security import client_options
from streams.settings import Settings
from streams.topics import Name

BATCH_BYTES = 512 * 1024
"""Of one partition's batch, half of what a broker takes.  Whoever finds it full waits for a round
trip: with aiokafka's 16 KiB a step with hundreds of decisions waited dozens of times, and those
who come later do not wait behind him: a busy worker's progress found no room for up to 36 s."""


class Outbox:
    """Sends records to topics of the table.

    A worker has one, and the role actuate another, which ``Teller`` gives the reason for.
    """

    def __init__(self, settings: Settings, *, linger_ms: int | None = None) -> None:
        """Nothing is connected before ``start``.  ``linger_ms`` None: as the settings say."""
        self._prefix = settings.topic_prefix
        self._settings = settings
        self.linger_ms = settings.linger_ms if linger_ms is None else linger_ms
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=self.linger_ms,
            max_batch_size=BATCH_BYTES,
            # Long enough to ride out a broker's restart: a batch that expires ends the worker.
            request_timeout_ms=120_000,
            retry_backoff_ms=50,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Flush and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def send(
        self, topic: Name, value: bytes | None, *, key: str | None, partition: int | None = None
    ) -> asyncio.Future[Any]:
        """Hand a record to the producer; the future is done when the broker acknowledged it."""
        if self._producer is None:
            msg = "the outbox is not started"
            raise RuntimeError(msg)
        future: asyncio.Future[Any] = await self._producer.send(
            self._prefix + topic,
            value,
            key=None if key is None else key.encode(),
            partition=partition,
        )
        return future

    def leader(self, topic: Name, key: str) -> int | None:
        """The broker that a record of this key goes to now; None: that is not known."""
        if self._producer is None:
            return None
        cluster = self._producer.client.cluster
        name = self._prefix + topic
        count = len(cluster.partitions_for_topic(name) or ())
        if not count:
            return None
        found = cluster.leader_for_partition(TopicPartition(name, partition_of(key, count)))
        return None if found is None else int(found)

    async def partitions(self, topic: Name) -> int:
        """How many partitions a topic has."""
        if self._producer is None:
            msg = "the outbox is not started"
            raise RuntimeError(msg)
        return len(await self._producer.partitions_for(self._prefix + topic))


async def acknowledged(sends: Iterable[Awaitable[Any]]) -> None:
    """Wait until the broker has acknowledged all of them; raises the first failure."""
    await asyncio.gather(*sends)
