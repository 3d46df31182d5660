"""plan: loads into forecasts, proposals and decisions, one Fleet per load partition.

Rule: what the core is given is logged before what it decides is sent; a new owner takes up the
state of the one before, or reads the load log again to learn, and decides when it has caught up.
Flow: foretide.load -> foretide.steps, foretide.forecasts, foretide.proposals or .decisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from actuators.clock import Clock
from models.domain.load import Load, Progress
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.step import SpecChange, StepResult
from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.outbox import Outbox
from streams.kafka.partitioner import partition_of
from streams.kafka.ranges import Ranges
from streams.loadlog import past
from streams.metrics import Metrics
from streams.progress import PartitionProgress
from streams.recovery import Recovered, Recovery
from streams.roles.owned import Owned, fitting
from streams.roles.role import RoleService
from streams.roles.rounds import Rounds
from streams.roles.unreadable import Unreadable
from streams.settings import Settings
from streams.snapshots import Sealer, Writer
from streams.specs_table import SpecTable

log = logging.getLogger(__name__)

TICK_S = 1.0
"""How often silence is looked at: scale-in, staleness, schedules."""


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
        self._owned: dict[int, Owned] = {}
        self._ranges = Ranges(settings)
        self._sealer = Sealer(settings.snapshot_key)
        self._recovery = Recovery(
            self._ranges,
            self._sealer,
            fleet=self._fleet,
            discarded=metrics.snapshots_discarded.inc,
        )

    async def start(self) -> None:
        """See ``RoleService``."""
        self._partitions = await self._outbox.partitions("load")
        await self._ranges.start()
        self._specs.listen(self._on_spec)
        await super().start()
        self.spawn(self._tick(), "tick")

    async def stop(self) -> None:
        """See ``RoleService``."""
        await super().stop()
        await self._ranges.stop()

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
        """Take up each partition where its last owner left it."""
        before, self._owned = self._owned, {}
        began = time.monotonic()
        for partition in sorted(partitions):
            held = before.get(partition)
            owned = None if held is None else await self._keep(held)
            if owned is None:
                owned = await self._take_up(partition)
            # Nothing is awaited between what the table says and what hears of its changes.
            owned.respec(self._known(partition))
            self._owned[partition] = owned
        self._metrics.recovery_seconds.set(time.monotonic() - began)
        return {partition: owned.loads for partition, owned in self._owned.items()}

    async def _keep(self, held: Owned) -> Owned | None:
        """The partition as it is here, where nobody has written a step of it since."""
        async with held.turn:
            _, end = await self._ranges.bounds("steps", held.partition)
            if end != held.steps or not held.alone:
                return None
            if self.generation != held.writer.generation:
                held.writer, held.opened = _next_writer(held.writer, self.generation), end
                held.rounds = self._rounds(held.partition, held.writer, held.rounds.names)
            return held

    async def _take_up(self, partition: int) -> Owned:
        found = await self._recovery.recover(partition)
        begin, end = await self._ranges.bounds("load", partition)
        writer = _next_writer(found.last, self.generation)
        fleet, loads = found.fleet, found.loads
        if fleet is None:
            loads = max(await self._rebuild_from(partition), begin)
        owned = Owned(
            partition=partition,
            fleet=fleet or self._fleet(),
            writer=writer,
            loads=loads,
            steps=found.steps,
            live_from=end,
            opened=found.steps,
            fresh=fleet is None,
            rounds=self._rounds(partition, writer, found.names),
        )
        await self._send_again(partition, found)
        if found.lost:
            await self._relearn(owned, found)
        return owned

    async def _send_again(self, partition: int, found: Recovered) -> None:
        """Send what the last owner decided in its last step and did not live to send.

        The core will not say it again: it has said it.  What is in the log of decisions is not
        sent twice; all steps before the last one were sent before the next was begun.
        """
        last = found.unsure
        wanted = {decision.id for decision in last.decisions}
        wanted |= {proposal.wanted.id for proposal in last.proposals}
        if not wanted:
            return
        # A step is logged before what it led to; a second for clocks of producers.
        begin = await self._ranges.since("decisions", partition, found.unsure_at - 1.0)
        _, end = await self._ranges.bounds("decisions", partition)
        async for some in self._ranges.read("decisions", partition, begin, end):
            for each in some:
                with contextlib.suppress(msgspec.MsgspecError):  # A newer worker's is not ours.
                    wanted.discard(codec.decision(each.value or b"").id)
        missing = StepResult(
            forecasts=(),
            decisions=tuple(each for each in last.decisions if each.id in wanted),
            proposals=tuple(each for each in last.proposals if each.wanted.id in wanted),
        )
        if wanted:
            log.info("load/%d: %d decisions of the last owner are sent", partition, len(wanted))
            await self._emit(missing)

    async def _relearn(self, owned: Owned, found: Recovered) -> None:
        """Read what the load log has of workloads whose snapshots were lost."""
        known = self._known(owned.partition)
        offsets = await self._rebuild_from(owned.partition), owned.loads - 1
        specs = [
            SpecChange(workload=name, revision=known[name][1], spec=known[name][0])
            for name in sorted(set(found.lost) & known.keys())
        ]
        while specs and offsets[0] <= offsets[1]:
            count = fitting(specs)
            some, specs = tuple(specs[:count]), specs[count:]
            names = tuple(change.workload for change in some)
            records = await past(self._ranges, owned.partition, offsets, names)
            step, _ = owned.apply(self._clock.now(), records, relearn=names, specs=some)
            logged = await owned.record(self._outbox, step, offsets)
            await self.acknowledged([logged])
            owned.logged(logged.result().offset)

    async def _rebuild_from(self, partition: int) -> int:
        since = time.time() - self.settings.rebuild_s
        return await self._ranges.since("load", partition, since)

    def _fleet(self) -> Fleet:
        settings = self.settings
        return Fleet(lateness_s=settings.lateness_s, valid_s=settings.decision_valid_s)

    def _rounds(self, partition: int, writer: Writer, names: frozenset[str]) -> Rounds:
        return Rounds(
            self._outbox,
            self._sealer,
            partition=partition,
            writer=writer,
            ticks=round(self.settings.snapshot_interval_s / TICK_S),
            names=names,
        )

    def _known(self, partition: int) -> dict[str, tuple[AgentScaler, int]]:
        return {
            workload: known
            for workload, known in self._specs.all().items()
            if partition_of(workload, self._partitions) == partition
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
        async with owned.turn:
            # Meanwhile it may have been taken away, or taken up again from where it was.
            new = batch.after(owned.loads)
            if new is None or self._owned.get(batch.partition) is not owned:
                return
            records = await self._decode(new)
            owned.loads = new.last + 1
            await self._step(owned, records, (new.first, new.last), tick=False)
            self.frontiers[batch.partition] = owned.loads

    async def _decode(self, batch: FetchedBatch) -> list[Load | Progress]:
        records: list[Load | Progress] = []
        for offset, _, value in batch.records():
            found, faults = codec.loads(value)
            records += found
            if faults:
                await self._unreadable.tell(batch, offset, value, faults)
        return records

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            for partition, owned in list(self._owned.items()):
                async with owned.turn:
                    if self._owned.get(partition) is owned and owned.live:
                        await self._step(owned, [], None, tick=True)
                        await owned.rounds.tick(
                            owned.fleet, position=owned.steps, loads=owned.loads
                        )
            self._observe()

    async def _step(
        self,
        owned: Owned,
        records: Sequence[Load | Progress],
        offsets: tuple[int, int] | None,
        *,
        tick: bool,
    ) -> None:
        with self._metrics.step_seconds.time():
            step, result = owned.apply(self._clock.now(), records, tick=tick)
        logged = await owned.record(self._outbox, step, offsets)
        if result.decisions or result.proposals:
            await self.acknowledged([logged])  # The step log is durable before the decision.
        await self._emit(result)
        await self.acknowledged([logged])
        owned.logged(logged.result().offset)

    async def _emit(self, result: StepResult) -> None:
        sends: list[asyncio.Future[Any]] = []
        send = self._outbox.send
        for forecast in result.forecasts:
            value = codec.encode(forecast)
            sends += [await send("forecasts", value, key=forecast.workload)]
        for proposal in result.proposals:
            sends += [await send("proposals", codec.encode(proposal), key=proposal.pool)]
        for decision in result.decisions:
            self._metrics.decisions.labels(decision.reason.value, decision.mode).inc()
            sends += [await send("decisions", codec.encode(decision), key=decision.workload)]
        await self.acknowledged(sends)

    def _observe(self) -> None:
        merges = [owned.fleet.merge for owned in self._owned.values()]
        self._metrics.corrections.set(sum(merge.corrections for merge in merges))
        self._metrics.workloads.set(
            sum(len(owned.fleet.workloads()) for owned in self._owned.values())
        )
        self._metrics.specs_refused.set(self._specs.refused)


def _next_writer(last: Writer | None, generation: int) -> Writer:
    """Who writes now, after ``last``: a group that has begun to count anew is a new era."""
    if last is None:
        return Writer(0, generation)
    return Writer(last.era + (generation <= last.generation), generation)
