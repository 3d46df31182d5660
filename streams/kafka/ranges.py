"""Reading stretches of partitions by offset, without a group.

Rule: what was asked for and was there is returned, in the order of the log; nobody's position is
changed.  Flow: any topic -> recovery, recorder.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.security import client_options
from streams.settings import Settings
from streams.topics import Name

FETCH_BYTES = 8 * 1024 * 1024
WAIT_MS = 100


class Found(NamedTuple):
    """One record; ``at_s`` is its timestamp in the log, Unix seconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    at_s: float = 0.0


class Ranges:
    """One consumer, that reads one stretch at a time."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before ``start``."""
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()
        self._next: tuple[TopicPartition, int] | None = None
        """What the consumer would fetch next."""

    async def start(self) -> None:
        """Connect."""
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=min(WAIT_MS, self._settings.fetch_max_wait_ms),
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer

    async def stop(self) -> None:
        """Disconnect; idempotent."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def bounds(self, topic: Name, partition: int) -> tuple[int, int]:
        """First offset there is, and the one that will be next."""
        tp = self._tp(topic, partition)
        begin = await self._open.beginning_offsets([tp])
        end = await self._open.end_offsets([tp])
        return begin[tp], end[tp]

    async def since(self, topic: Name, partition: int, at_s: float) -> int:
        """First offset appended at ``at_s`` (Unix seconds) or later; the end if there is none."""
        tp = self._tp(topic, partition)
        found = await self._open.offsets_for_times({tp: max(int(at_s * 1000), 0)})
        if found[tp] is not None:
            return int(found[tp].offset)
        return (await self.bounds(topic, partition))[1]

    async def read(
        self, topic: Name, partition: int, begin: int, end: int
    ) -> AsyncIterator[Sequence[Found]]:
        """Records from ``begin`` up to, not with, ``end``, some at a time.

        Both lie within the bounds; offsets that compaction has taken away are passed over.
        Other stretches may be read in between.
        """
        while begin < end:
            fetched, begin = await self._fetch(self._tp(topic, partition), begin)
            some = [
                Found(record.offset, record.key, record.value, record.timestamp / 1000.0)
                for record in fetched
                if record.offset < end
            ]
            if some:
                yield some

    async def _fetch(self, tp: TopicPartition, begin: int) -> tuple[Sequence[Any], int]:
        """What comes from ``begin`` on, if anything did in time, and the offset after it."""
        async with self._turn:
            consumer = self._open
            if self._next != (tp, begin):
                consumer.assign([tp])
                consumer.seek(tp, begin)
            fetched = await consumer.getmany(tp, timeout_ms=WAIT_MS)
            position: int = await consumer.position(tp)
            self._next = tp, position
            return fetched.get(tp, ()), position

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("the reader is not started")
        return self._consumer

    def _tp(self, topic: Name, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.topic_prefix + topic, partition)
