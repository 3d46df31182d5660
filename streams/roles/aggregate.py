"""aggregate: raw events of any key, folded into partial loads by workload and second.

Rule: decode once, at the edge; send partials as soon as a batch is folded, or, when sending is
what takes the time, a little later; commit only block starts, and only when every partial of the
blocks before is acknowledged.
Flow: foretide.telemetry -> foretide.load, foretide.rejected.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from aiokafka.errors import KafkaError
from faust.types import TP
from numpy.typing import NDArray

from actuators.clock import Clock
from models.blocks import BlockFold
from models.domain.load import Progress, SourceProgress
from streams import codec
from streams.bundles import bundles
from streams.kafka.batch import FetchedBatch, Run
from streams.kafka.outbox import Outbox, acknowledged
from streams.metrics import Metrics
from streams.progress import PartitionProgress
from streams.roles.role import RoleService
from streams.settings import Settings
from streams.telemetry import DecodedBatch, TelemetryDecoder

log = logging.getLogger(__name__)

FASTEST_REPORT_S = 0.05
"""Progress is reported no more often than this, however fast the clock runs."""


FLUSH_SHARE = 10.0
"""A flush that took t is followed by the source's next no sooner than this many t for each source:
a tenth of the time at most goes into telling a second again and again."""

FLUSH_MOST_S = 0.25
"""The longest a partial waits for that."""


@dataclass(slots=True)
class _Mark:
    """How far a source has got: next offset, watermark, first offset of the open block."""

    position: int = 0
    watermark: float = 0.0
    block: int | None = None


@dataclass(slots=True)
class _Source:
    """One telemetry partition: its fold, what is in flight of it, and how far it is known read."""

    fold: BlockFold
    decoder: TelemetryDecoder = field(default_factory=TelemetryDecoder)
    folded: _Mark = field(default_factory=_Mark)
    sent: _Mark = field(default_factory=_Mark)
    """What of ``folded`` is handed to the producer: progress must never overtake the partials."""
    sends: deque[tuple[int, list[asyncio.Future[Any]]]] = field(default_factory=deque)
    """(block, sends of its partials), oldest first."""
    refused: dict[int, list[asyncio.Future[Any]]] = field(default_factory=dict)
    """Sends of rejections, by the block that was open before them; joined to ``sends`` later."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    due_at: float = 0.0
    """When the next flush may be, by the loop's clock."""
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
        self._load_partitions = 0
        self.folded = 0
        """Events folded since the start."""

    async def settle(self) -> None:
        """Hand on what is folded, so that whoever takes over folds as little as can be again."""
        await super().settle()
        for source in self._sources.values():
            if source.folded is not source.sent:
                await self._flush(source)
            await acknowledged([sent for _, sends in source.sends for sent in sends])
            self._advance(source)

    def durable(self) -> bool:
        """Whether the broker has acknowledged all that was folded."""
        return all(_durable(source) for source in self._sources.values())

    def settled(self, partition: int) -> int | None:
        """See ``RoleService``: an open block is not committed, but may be wholly acknowledged."""
        source = self._sources.get(partition)
        if source is not None and _durable(source):
            return source.sent.position
        return super().settled(partition)

    def progress(self) -> list[PartitionProgress]:
        """See ``RoleService``; with the age of each source's watermark."""
        now = self._clock.now()
        marks = {number: source.sent.watermark for number, source in self._sources.items()}
        return [
            replace(found, watermark_age_s=now - mark if mark > 0 else None)
            for found in super().progress()
            for mark in [marks.get(found.partition, 0.0)]
        ]

    async def start(self) -> None:
        """See ``RoleService``."""
        self._load_partitions = await self._outbox.partitions("load")
        await super().start()
        self.spawn(self._report(), "progress")
        self.spawn(self._flush_late(), "flush")

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
            source = self._sources[tp.partition]
            source.folded.position = max(at or 0, earliest[tp])
            source.sent = source.folded
            if at is not None and earliest[tp] > at:
                self._metrics.truncated.inc()
                log.error(
                    "%s/%d begins at %d, after the committed %d: events are lost. Lengthen its "
                    "retention, or find out why aggregate stood still",
                    *(topic, tp.partition, earliest[tp], at),
                )
        return {}

    async def on_batch(self, batch: FetchedBatch) -> None:
        """Fold a batch, and send what changed as soon as it is due."""
        source = self._sources.get(batch.partition)
        if source is None:
            return
        async with source.turn:  # No flush between what is folded, refused, and told to be.
            if self._sources.get(batch.partition) is not source:
                return  # Assigned anew meanwhile.
            before = source.fold.block
            decoded, offsets, newest = self._fold(source, batch)
            if decoded.rejected:
                began = batch.first if before is None else before
                await self._refuse(source, batch, began, decoded.rejected, offsets)
            source.folded = _Mark(
                position=batch.last + 1,
                watermark=max(source.folded.watermark, newest),
                block=source.fold.block,
            )
        self.folded += len(decoded.columns)
        self._metrics.events.inc(len(decoded.columns))
        if decoded.unknown:
            self._metrics.unknown_fields.inc(decoded.unknown.total())
        if asyncio.get_running_loop().time() >= source.due_at:
            await self._flush(source)

    def _fold(
        self, source: _Source, batch: FetchedBatch
    ) -> tuple[DecodedBatch, NDArray[np.int64], float]:
        """Decode and fold; also the messages' offsets, and the newest append time."""
        offsets = np.concatenate([_ints(run.offsets) for run in batch.runs])
        stamps = np.concatenate([_each(run.timestamps, len(run.offsets)) for run in batch.runs])
        mapped = np.concatenate([self._mapped(run) for run in batch.runs])
        values = list(chain.from_iterable(run.values for run in batch.runs))
        decoded = source.decoder.decode(values, mapped)
        source.fold.fold(offsets, stamps // 1000, decoded.columns)
        return decoded, offsets, float(mapped.max())

    def _mapped(self, run: Run) -> NDArray[np.float64]:
        """When the log took in each record, by the pipeline's clock."""
        count = len(run.offsets)
        if isinstance(run.timestamps, int):
            return np.full(count, self._clock.at_wall(run.timestamps / 1000.0))
        stamps = [self._clock.at_wall(ms / 1000.0) for ms in run.timestamps]
        return np.array(stamps, np.float64)

    async def _refuse(
        self,
        source: _Source,
        batch: FetchedBatch,
        block: int,
        faults: Sequence[tuple[int, codec.Fault]],
        offsets: NDArray[np.int64],
    ) -> None:
        """Tell what of a batch is refused; ``block`` was open when it began."""
        topic, partition = batch.topic, batch.partition
        values = [value for run in batch.runs for value in run.values]
        refused = source.refused.setdefault(block, [])
        for message, fault in faults:
            self._metrics.rejected.inc()
            offset = int(offsets[message])
            rejected = codec.rejection(topic, partition, offset, values[message], fault)
            key = f"{topic}/{partition}/{offset}"
            refused.append(await self._outbox.send("rejected", codec.encode(rejected), key=key))

    async def _flush(self, source: _Source) -> None:
        """Hand the producer what changed since the last flush."""
        async with source.turn:
            loop = asyncio.get_running_loop()
            began = loop.time()
            mark = source.folded
            by_block, source.refused = source.refused, {}
            for partition, blocks, value in bundles(source.fold.drain(), self._load_partitions):
                future = await self._outbox.send("load", value, key=None, partition=partition)
                for block in blocks:
                    by_block.setdefault(block, []).append(future)
            if mark.block is not None:
                by_block.setdefault(mark.block, [])
            for block in sorted(by_block):
                if source.sends and source.sends[-1][0] >= block:
                    source.sends[-1][1].extend(by_block[block])
                else:
                    source.sends.append((block, by_block[block]))
            source.sent = mark
            now = loop.time()
            longest = self._clock.wall_seconds(FLUSH_MOST_S)
            wait = (now - began) * FLUSH_SHARE * max(len(self._sources), 1)
            source.due_at = now + min(wait, longest)

    async def _flush_late(self) -> None:
        """Flush what had to wait and was followed by nothing, and see what is acknowledged."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(self._clock.wall_seconds(FLUSH_MOST_S / 5), 0.005))
            for number, source in list(self._sources.items()):
                waits = source.folded is not source.sent and loop.time() >= source.due_at
                if waits and self._sources.get(number) is source:
                    await self._flush(source)
                if self._sources.get(number) is source:
                    self._advance(source)  # Not only with progress, which may have to wait.

    def _advance(self, source: _Source) -> None:
        """Move the frontier over blocks that are over and wholly acknowledged."""
        open_block = source.sent.block
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
                mark = source.sent
                if mark.watermark > 0:
                    reports.append(
                        SourceProgress(
                            source=number,
                            position=mark.position,
                            watermark=mark.watermark,
                            done=source.done or 0,
                        )
                    )
            if not reports:
                continue
            record = codec.encode(Progress(sources=sources, progress=tuple(reports)))
            await acknowledged(
                [
                    await self._outbox.send("load", record, key="progress", partition=partition)
                    for partition in range(self._load_partitions)
                ]
            )

    async def _idle(self, held: Mapping[int, _Source]) -> None:
        """An idle partition advances only when everything up to its end has been folded."""
        topic = self.settings.topic_prefix + self.topic
        asked_at = self._clock.now()
        tps = {TP(topic, number): source for number, source in held.items()}
        try:
            ends = await self.consumer.highwaters(*tps)
        except KafkaError as error:
            log.warning("aggregate: ends of telemetry: %r; asked again with the next report", error)
            return
        for tp, source in tps.items():
            mark = source.sent
            if mark is source.folded and mark.position >= ends[tp] and asked_at > mark.watermark:
                mark.watermark = asked_at


def _durable(source: _Source) -> bool:
    """Whether the broker has acknowledged all that was folded of a source."""
    return source.sent is source.folded and all(
        future.done() and not future.cancelled() and future.exception() is None
        for _, sends in source.sends
        for future in sends
    )


def _each(stamps: int | Sequence[int], count: int) -> NDArray[np.int64]:
    """Timestamps, one a record."""
    if isinstance(stamps, int):
        return np.full(count, stamps, np.int64)
    return np.array(stamps, np.int64)


def _ints(offsets: Sequence[int]) -> NDArray[np.int64]:
    if isinstance(offsets, range):
        return np.arange(offsets.start, offsets.stop, dtype=np.int64)
    return np.array(offsets, np.int64)
