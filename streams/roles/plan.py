"""plan: loads into forecasts, proposals and decisions, one Fleet per load partition.

Rule: what the core is given is logged before what it decides is sent; a new owner reads the
load log again to learn, and decides only when it has caught up.
Flow: foretide.load -> foretide.steps, foretide.forecasts, foretide.proposals or .decisions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from faust.types import TP

from actuators.clock import Clock
from models.domain.load import Load, Progress
from models.fleet import Fleet
from models.step import SpecChange, Step, StepResult
from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.outbox import Outbox, acknowledged
from streams.kafka.partitioner import partition_of
from streams.metrics import Metrics
from streams.progress import PartitionProgress
from streams.roles.role import RoleService
from streams.roles.unreadable import Unreadable
from streams.settings import Settings
from streams.specs_table import SpecTable
from streams.steplog import StepRecord

TICK_S = 1.0
"""How often silence is looked at: scale-in, staleness, schedules."""

ERA = 0
"""Raised when a group's generation falls back; kept with the snapshots."""


@dataclass(slots=True)
class _Owned:
    """One load partition."""

    fleet: Fleet
    live_from: int
    """The offset from which decisions are made: what lies before is only learned from."""
    position: int = 0
    fresh: bool = True
    changes: list[SpecChange] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def live(self) -> bool:
        return self.position >= self.live_from


class Plan(RoleService):
    """See the module's text."""

    role = "plan"
    topic = "load"

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        outbox: Outbox,
        specs: SpecTable,
        metrics: Metrics,
    ) -> None:
        """``clock`` gives each step its ``now``."""
        super().__init__(settings)
        self._clock = clock
        self._outbox = outbox
        self._specs = specs
        self._metrics = metrics
        self._unreadable = Unreadable(outbox, metrics)
        self._partitions = 0
        self._owned: dict[int, _Owned] = {}

    async def start(self) -> None:
        """See ``RoleService``."""
        self._partitions = await self._outbox.partitions("load")
        self._specs.listen(self._on_spec)
        await super().start()
        self.spawn(self._tick(), "tick")

    def totals(self) -> dict[str, int]:
        """Events counted so far by workload, over the partitions owned here."""
        counted: dict[str, int] = {}
        for owned in self._owned.values():
            counted.update(owned.fleet.merge.totals())
        return counted

    def progress(self) -> list[PartitionProgress]:
        """See ``RoleService``; with the seconds that each load partition waits for."""
        now = self._clock.now()
        merges = {number: owned.fleet.merge for number, owned in self._owned.items()}
        return [
            replace(found, missing_s=merge.missing_s(now), unheard=merge.unheard)
            for found in super().progress()
            if (merge := merges.get(found.partition)) is not None
        ]

    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Start each partition's fleet anew, and read its past again."""
        self._owned = {}
        if not partitions:
            return {}
        topic = self.settings.topic_prefix + self.topic
        tps = [TP(topic, number) for number in sorted(partitions)]
        ends = await self.consumer.highwaters(*tps)
        begins = await self._begin(tps)
        for tp in tps:
            fleet = Fleet(
                lateness_s=self.settings.lateness_s, valid_s=self.settings.decision_valid_s
            )
            owned = _Owned(fleet, live_from=ends[tp], position=begins[tp])
            for workload, (spec, revision) in sorted(self._specs.all().items()):
                if partition_of(workload, self._partitions) == tp.partition:
                    owned.changes.append(
                        SpecChange(workload=workload, revision=revision, spec=spec)
                    )
            self._owned[tp.partition] = owned
        return {tp.partition: begins[tp] for tp in tps}

    async def _begin(self, tps: Sequence[TP]) -> dict[TP, int]:
        """First offset within ``rebuild_s`` of each partition, else where the log begins."""
        thread = self.consumer._thread  # noqa: SLF001 - Faust offers no look-up by time
        kafka = thread._ensure_consumer()  # noqa: SLF001
        since_ms = int((time.time() - self.settings.rebuild_s) * 1000)
        earliest = await self.consumer.earliest_offsets(*tps)
        found = await thread.call_thread(kafka.offsets_for_times, dict.fromkeys(tps, since_ms))
        return {
            tp: earliest[tp] if found.get(tp) is None else max(found[tp].offset, earliest[tp])
            for tp in tps
        }

    def _on_spec(self, change: SpecChange) -> None:
        owned = self._owned.get(partition_of(change.workload, self._partitions))
        if owned is not None:
            owned.changes.append(change)

    async def on_batch(self, batch: FetchedBatch) -> None:
        """Give a batch to the partition's fleet."""
        owned = self._owned.get(batch.partition)
        if owned is None:
            return
        records: list[Load | Progress] = []
        for offset, _, value in batch.records():
            found, faults = codec.loads(value)
            records += found
            if faults:
                await self._unreadable.tell(batch, offset, value, faults)
        async with owned.turn:
            owned.position = batch.last + 1
            offsets = batch.first, batch.last
            await self._step(batch.partition, owned, records, offsets, tick=False)
            self.frontiers[batch.partition] = batch.last + 1

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            for partition, owned in list(self._owned.items()):
                async with owned.turn:
                    if self._owned.get(partition) is owned and owned.live:
                        await self._step(partition, owned, [], None, tick=True)
            self._observe()

    async def _step(
        self,
        partition: int,
        owned: _Owned,
        records: list[Load | Progress],
        offsets: tuple[int, int] | None,
        *,
        tick: bool,
    ) -> None:
        changes, owned.changes = tuple(owned.changes), []
        step = Step(
            now=self._clock.now(),
            generation=self.app.consumer_generation_id,
            era=ERA,
            specs=changes,
            records=tuple(records),
            tick=tick,
            live=owned.live,
        )
        with self._metrics.step_seconds.time():
            result = owned.fleet.apply(step)
        logged = await self._outbox.send(
            "steps",
            codec.encode(StepRecord.of(step, partition, offsets, fresh=owned.fresh)),
            key=None,
            partition=partition,
        )
        owned.fresh = False
        await self._emit(result, logged)

    async def _emit(self, result: StepResult, logged: asyncio.Future[object]) -> None:
        if result.decisions or result.proposals:
            await logged  # The step log is durable before the decision.
        sends: list[asyncio.Future[object]] = [logged]
        send = self._outbox.send
        for forecast in result.forecasts:
            value = codec.encode(forecast)
            sends += [await send("forecasts", value, key=forecast.workload)]
        for proposal in result.proposals:
            sends += [await send("proposals", codec.encode(proposal), key=proposal.pool)]
        for decision in result.decisions:
            self._metrics.decisions.labels(decision.reason.value, decision.mode).inc()
            sends += [await send("decisions", codec.encode(decision), key=decision.workload)]
        await acknowledged(sends)

    def _observe(self) -> None:
        merges = [owned.fleet.merge for owned in self._owned.values()]
        self._metrics.corrections.set(sum(merge.corrections for merge in merges))
        self._metrics.workloads.set(
            sum(len(owned.fleet.workloads()) for owned in self._owned.values())
        )
        self._metrics.specs_refused.set(self._specs.refused)
