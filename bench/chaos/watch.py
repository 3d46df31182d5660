"""Watch: how far the commits are behind, and how much memory the workers take.

Rule: looks only; a broker that is away is no sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.settings import Settings

from .fleet import Fleet

SAMPLE_S = 5.0
ANSWER_S = 10.0


class Watch:
    """``lag`` is in offsets, of the partition that is furthest behind."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        """Nothing is asked before ``run``."""
        self._settings = settings
        self._fleet = fleet
        self.lag = 0
        self.max_lag = 0
        self.max_rss_mb = 0.0

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            used = [worker.rss_mb() for worker in self._fleet.workers]
            self.max_rss_mb = max(self.max_rss_mb, *used, 0.0)
            try:
                async with asyncio.timeout(ANSWER_S):
                    committed, ends = await offsets(self._settings)
            except (KafkaError, OSError, TimeoutError):
                continue
            self.lag = max(ends[number] - committed.get(number, 0) for number in ends)
            self.max_lag = max(self.max_lag, self.lag)


async def offsets(settings: Settings) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Committed offsets of aggregate, and ends, by telemetry partition."""
    topic = f"{settings.topic_prefix}telemetry"
    tps = [TopicPartition(topic, number) for number in range(settings.partitions)]
    ends = await end_offsets(settings, tps)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(f"{settings.group_prefix}aggregate")
    finally:
        await admin.close()
    committed = {tp.partition: max(at.offset, 0) for tp, at in found.items() if tp.topic == topic}
    return committed, {tp.partition: ends[tp] for tp in tps}


async def end_offsets(
    settings: Settings, tps: list[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """The next offset of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(tps)
        return ends
    finally:
        await consumer.stop()
