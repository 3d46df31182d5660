"""aggregate: raw events of any key, folded into partial loads by workload and second.

Rule: decode once, at the edge; send partials as soon as a batch is folded; commit only block
starts, and only when every partial of the blocks before is acknowledged.
Flow: foretide.telemetry -> foretide.load, foretide.rejected.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from actuators.clock import Clock
from models.blocks import BlockFold
from models.domain.load import Progress, SourceProgress
from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.outbox import Outbox, acknowledged
from streams.metrics import Metrics
from streams.roles.role import RoleService
from streams.settings import Settings

log = logging.getLogger(__name__)

FASTEST_REPORT_S = 0.05
"""Progress is reported no more often than this, however fast the clock runs."""


@dataclass(slots=True)
class _Source:
    """One telemetry partition: its fold, what is in flight of it, and how far it is known read."""

    fold: BlockFold
    sends: deque[tuple[int, list[asyncio.Future[Any]]]] = field(default_factory=deque)
    """(block, sends of its partials), oldest first."""
    position: int = 0
    """The next offset whose partials are not yet handed to the producer."""
    watermark: float = 0.0
    """Moved with ``position`` only: progress must never overtake the partials it speaks of."""
    block: int | None = None
    """The open block, once what was folded of the ones before is handed to the producer."""
    done: int | None = None


class Aggregate(RoleService):
    """See the module's text."""

    role = "aggregate"
    topic = "telemetry"

    def __init__(
        self, settings: Settings, *, clock: Clock, outbox: Outbox, metrics: Metrics
    ) -> None:
        """``clock`` is what skew and watermarks are judged by."""
        super().__init__(settings)
        self._clock = clock
        self._outbox = outbox
        self._metrics = metrics
        self._sources: dict[int, _Source] = {}

    async def start(self) -> None:
        """See ``RoleService``."""
        await super().start()
        self.spawn(self._report(), "progress")

    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Begin each partition's open block anew: its start is what was committed."""
        self._sources = {number: _Source(BlockFold(number)) for number in partitions}
        topic = self.settings.topic_prefix + self.topic
        tps = [TP(topic, number) for number in partitions]
        if not tps:
            return {}
        earliest = await self.consumer.earliest_offsets(*tps)
        committed = self.consumer._committed_offset  # noqa: SLF001 - Faust keeps it nowhere else
        for tp in tps:
            at = committed.get(tp)
            self._sources[tp.partition].position = max(at or 0, earliest[tp])
            if at is not None and earliest[tp] > at:
                self._metrics.truncated.inc()
                log.error(
                    "%s/%d begins at %d, after the committed %d: events are lost. Lengthen its "
                    "retention, or find out why aggregate stood still",
                    *(topic, tp.partition, earliest[tp], at),
                )
        return {}

    async def on_batch(self, batch: FetchedBatch) -> None:
        """Fold a batch and send what changed."""
        source = self._sources.get(batch.partition)
        if source is None:
            return
        refusals: list[asyncio.Future[Any]] = []
        watermark = source.watermark
        for record in batch.records:
            appended_at = self._clock.at_wall(record.timestamp / 1000.0)
            decoded = codec.telemetry(record.value, appended_at)
            source.fold.append(record.offset, record.timestamp, decoded.events)
            watermark = max(watermark, appended_at)
            self._metrics.events.inc(len(decoded.events))
            if decoded.unknown:
                self._metrics.unknown_fields.inc(decoded.unknown.total())
            for fault in decoded.rejected:
                refusals += [await self._reject(batch, record.offset, record.value, fault)]
        await self._flush(source, refusals)
        source.position = batch.records[-1].offset + 1
        source.watermark = watermark
        source.block = source.fold.block

    async def _reject(
        self,
        batch: FetchedBatch,
        offset: int,
        value: bytes | None,
        fault: tuple[int | None, str, str],
    ) -> asyncio.Future[Any]:
        self._metrics.rejected.inc()
        rejected = codec.rejection(batch.topic, batch.partition, offset, value, fault)
        key = f"{batch.topic}/{batch.partition}/{offset}"
        return await self._outbox.send("rejected", codec.encode(rejected), key=key)

    async def _flush(self, source: _Source, sends: list[asyncio.Future[Any]]) -> None:
        block = source.fold.block
        if block is None:
            return
        by_block: dict[int, list[asyncio.Future[Any]]] = {}
        for load in source.fold.drain():
            future = await self._outbox.send("load", codec.encode(load), key=load.workload)
            by_block.setdefault(load.block, []).append(future)
        by_block.setdefault(block, []).extend(sends)
        for started in sorted(by_block):
            if source.sends and source.sends[-1][0] == started:
                source.sends[-1][1].extend(by_block[started])
            else:
                source.sends.append((started, by_block[started]))

    def _advance(self, source: _Source) -> None:
        """Move the frontier over blocks that are over and wholly acknowledged."""
        open_block = source.block
        while source.sends:
            block, sends = source.sends[0]
            unsettled = []
            for future in sends:
                if not future.done():
                    unsettled.append(future)
                else:
                    future.result()  # A lost partial ends the worker.
            sends[:] = unsettled
            if unsettled or block == open_block:
                break
            source.sends.popleft()
        if source.sends:
            source.done = source.sends[0][0]
        elif open_block is not None:
            source.done = open_block
        if source.done is not None:
            self.frontiers[source.fold.source] = source.done

    async def _report(self) -> None:
        """Tell every load partition how far each source is; silence is a zero only with it."""
        load_partitions = await self._outbox.partitions("load")
        sources = await self._outbox.partitions("telemetry")
        while True:
            interval = self._clock.wall_seconds(self.settings.progress_interval_s)
            await asyncio.sleep(max(interval, FASTEST_REPORT_S))
            held = dict(self._sources)
            if not held or not self.consumer.flow_active:
                continue
            await self._idle(held)
            reports = []
            for number, source in sorted(held.items()):
                if self._sources.get(number) is not source:
                    continue  # Reassigned meanwhile.
                self._advance(source)
                if source.watermark > 0:
                    reports.append(
                        SourceProgress(
                            source=number,
                            position=source.position,
                            watermark=source.watermark,
                            done=source.done or 0,
                        )
                    )
                    age = self._clock.now() - source.watermark
                    self._metrics.watermark_age.labels(str(number)).set(age)
            if not reports:
                continue
            record = codec.encode(Progress(sources=sources, progress=tuple(reports)))
            await acknowledged(
                [
                    await self._outbox.send("load", record, key="progress", partition=partition)
                    for partition in range(load_partitions)
                ]
            )

    async def _idle(self, held: Mapping[int, _Source]) -> None:
        """An idle partition advances only when everything up to its end has been folded."""
        topic = self.settings.topic_prefix + self.topic
        asked_at = self._clock.now()
        tps = {TP(topic, number): source for number, source in held.items()}
        ends = await self.consumer.highwaters(*tps)
        for tp, source in tps.items():
            if source.position >= ends[tp]:
                source.watermark = max(source.watermark, asked_at)
