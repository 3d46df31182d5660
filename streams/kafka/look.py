"""Looking into a topic: bounds of its logs, when a record was appended, the newest messages.

Rule: without a group, by explicit offsets, and bounded in time: what did not come in time is not
in the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

PATIENCE_S = 4.0
"""How long one look may take."""


class Bounds(NamedTuple):
    """The first offset kept of a log, and the next one to be written."""

    begin: int
    end: int


Take = Callable[[TopicPartition, Sequence[Any]], bool]


class Look:
    """Looks through a consumer that is started, and in no group."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        """``consumer`` stays the caller's to stop; its assignment is this object's."""
        self._consumer = consumer

    async def bounds(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Where each log begins and ends."""
        if not partitions:
            return {}
        begins = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        return {tp: Bounds(begins[tp], ends[tp]) for tp in partitions}

    async def appended_at(
        self, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, float]:
        """When the first record from each offset on was appended, Unix seconds."""
        found: dict[TopicPartition, float] = {}

        def take(tp: TopicPartition, records: Sequence[Any]) -> bool:
            found.setdefault(tp, records[0].timestamp / 1000.0)
            return True

        await self._read(offsets, take)
        return found

    async def values(
        self,
        since: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        *,
        key: bytes,
    ) -> dict[TopicPartition, list[bytes]]:
        """Values of the messages with a key, from ``since`` up to ``ends``, in order."""
        found: dict[TopicPartition, list[bytes]] = {tp: [] for tp in since}

        def take(tp: TopicPartition, records: Sequence[Any]) -> bool:
            found[tp] += [record.value for record in records if record.key == key]
            return bool(records[-1].offset + 1 >= ends[tp])

        await self._read(since, take)
        return found

    async def _read(self, offsets: Mapping[TopicPartition, int], take: Take) -> None:
        """Read from each offset on until ``take(partition, records)`` is true for all."""
        waiting = set(offsets)
        if not waiting:
            return
        self._consumer.assign(sorted(waiting))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while waiting and loop.time() < deadline:
            fetched = await self._consumer.getmany(*waiting, timeout_ms=100)
            waiting -= {tp for tp, records in fetched.items() if records and take(tp, records)}
