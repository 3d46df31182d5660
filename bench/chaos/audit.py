"""Audit: what was counted, read from the load topic from its beginning and merged as plan does.

Rule: one Merge for each load partition, in the order of its log; the telemetry log is the second
witness, with blocks cut here by the rule in docs/design.md and by no code of the product's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.domain.load import Load
from models.merge import Merge
from streams import codec
from streams.kafka.reader import read
from streams.settings import Settings

from .publisher import Place

BLOCK_OFFSETS = 1 << 17
QUIET_S = 2.0
"""Nothing is counted twice by what still comes in this time."""

Cell = tuple[int, int, str, int]
"""Source, block, workload, second."""


@dataclass(slots=True, kw_only=True)
class Counted:
    """What plan would have counted."""

    totals: Counter[str] = field(default_factory=Counter)
    corrections: int = 0
    echoes: int = 0
    caught_up: bool = False
    """Whether every source's end was reported to every load partition."""


class _Partition:
    """One load partition as plan sees it."""

    def __init__(self, lateness_s: float) -> None:
        self.merge = Merge(lateness_s=lateness_s)
        self.positions: dict[int, int] = {}
        self.echoes = 0

    def add(self, value: bytes) -> None:
        for record in codec.load_records(value):
            if isinstance(record, Load):
                self.echoes += self.merge.add(record) is None
                continue
            self.merge.progress(record)
            for report in record.progress:
                before = self.positions.get(report.source, 0)
                self.positions[report.source] = max(before, report.position)


async def count(settings: Settings, ends: Mapping[int, int], *, limit_s: float) -> Counted:
    """Read and merge until all sources are counted up to ``ends``, or ``limit_s`` are over."""
    partitions = [_Partition(settings.lateness_s) for _ in range(settings.partitions)]
    counted = Counted()
    deadline = time.monotonic() + limit_s
    async with _Tail(settings, "load") as tail:
        while time.monotonic() < deadline and not counted.caught_up:
            async for record in tail.to_end():
                partitions[record.partition].add(record.value)
            counted.caught_up = all(
                partition.positions.get(source, 0) >= end
                for partition in partitions
                for source, end in ends.items()
            )
        await asyncio.sleep(QUIET_S)
        async for record in tail.to_end():
            partitions[record.partition].add(record.value)
    for partition in partitions:
        counted.totals.update(partition.merge.totals())
        counted.corrections += partition.merge.corrections
        counted.echoes += partition.echoes
    return counted


async def rejected(settings: Settings) -> set[Place]:
    """Places of all rejections, each once."""
    return {
        (found.topic, found.partition, found.offset, found.index)
        async for value in read(settings, "rejected", from_start=True, follow=False)
        for found in [codec.rejected(value)]
    }


async def in_log(settings: Settings) -> Counter[Cell]:
    """Events of the telemetry log itself, by cell."""
    cells: Counter[Cell] = Counter()
    blocks: dict[int, tuple[int, int]] = {}
    async with _Tail(settings, "telemetry") as tail:
        async for record in tail.to_end():
            source, offset, second = record.partition, record.offset, record.timestamp // 1000
            block, highest = blocks.get(source, (offset, second))
            if second > highest or offset >= block + BLOCK_OFFSETS:
                block, highest = offset, max(highest, second)
            blocks[source] = block, highest
            for event in codec.telemetry(record.value, record.timestamp / 1000.0).events:
                cells[source, block, event.workload, int(event.at)] += 1
    return cells


async def in_partials(settings: Settings) -> Counter[Cell]:
    """What the furthest-reaching partial of each cell says, whatever its place in the load log."""
    furthest: dict[Cell, Load] = {}
    async with _Tail(settings, "load") as tail:
        async for record in tail.to_end():
            for load in codec.load_records(record.value):
                if not isinstance(load, Load):
                    continue
                cell = load.source, load.block, load.workload, load.second
                before = furthest.get(cell)
                if before is None or load.reach > before.reach:
                    furthest[cell] = load
    return Counter({cell: load.events for cell, load in furthest.items()})


class _Tail:
    """All partitions of a topic, from the beginning, as far as they go at the moment."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        name = f"{settings.topic_prefix}{topic}"
        self._tps = [TopicPartition(name, number) for number in range(settings.partitions)]

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._tps)
        await self._consumer.seek_to_beginning(*self._tps)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def to_end(self) -> AsyncIterator[Any]:
        ends = await self._consumer.end_offsets(self._tps)
        while any([await self._consumer.position(tp) < ends[tp] for tp in self._tps]):
            fetched = await self._consumer.getmany(timeout_ms=200)
            for records in fetched.values():
                for record in records:
                    yield record
