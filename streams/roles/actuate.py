"""actuate: decisions handed to the dispatcher, outcomes and observed replicas back to Kafka.

Rule: a decision's offset is committed only when its outcome is acknowledged, so a killed
actuator takes up again what it had not finished; each owner watches its own workloads only.
Flow: foretide.decisions -> Dispatcher -> foretide.outcomes; watch -> foretide.telemetry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from faust.types import TP

from actuators.check import targets
from actuators.clock import Clock
from actuators.dispatcher import Dispatcher
from actuators.protocol import Actuator, Observation, TargetRef
from models.domain.decision import Decision
from models.domain.outcome import Outcome, Result
from models.domain.telemetry import ReplicaReport
from models.step import SpecChange
from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.outbox import Outbox
from streams.kafka.partitioner import partition_of
from streams.metrics import Metrics
from streams.roles.role import RoleService
from streams.roles.unreadable import Unreadable
from streams.settings import Settings
from streams.specs_table import SpecTable

log = logging.getLogger(__name__)

MOST_REPORTS = 500
"""Replica reports on their way to the broker at a time: one by one, a fleet of thousands would be
known of too late."""


class Actuate(RoleService):
    """See the module's text."""

    role = "actuate"
    topic = "decisions"

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        outbox: Outbox,
        specs: SpecTable,
        actuator: Actuator,
        metrics: Metrics,
    ) -> None:
        """``actuator`` is the platform; it is closed by whoever made it."""
        super().__init__(settings)
        self._clock = clock
        self._outbox = outbox
        self._specs = specs
        self._actuator = actuator
        self._metrics = metrics
        self._unreadable = Unreadable(outbox, metrics)
        self._dispatcher: Dispatcher | None = None
        self._pending: dict[int, deque[tuple[int, asyncio.Task[None]]]] = {}
        """(offset, until its outcome is acknowledged) of decisions, oldest first."""
        self._read: dict[int, int] = {}
        self._caught_up_at: dict[int, int] = {}
        self._backlog: dict[int, list[tuple[int, Decision]]] = {}
        self._respec = asyncio.Event()
        self._partitions = 0
        self._watching = True
        self._reports: set[asyncio.Future[Any]] = set()
        self.reported = 0
        """Replica reports that the broker has acknowledged."""

    async def start(self) -> None:
        """See ``RoleService``."""
        self._partitions = await self._outbox.partitions("decisions")
        self._dispatcher = Dispatcher(
            self._actuator,
            specs=self._specs,
            clock=self._clock,
            concurrency=self.settings.actuator_concurrency,
        )
        self._specs.listen(self._on_spec)
        await super().start()
        self.spawn(self._watch(), "watch")

    async def stop(self) -> None:
        """Finish what is at the platform, then leave."""
        if self._dispatcher is not None:
            await self._dispatcher.drain(timeout_s=3.0)
        open_tasks = [task for pending in self._pending.values() for _, task in pending]
        if open_tasks:
            await asyncio.wait(open_tasks, timeout=1.0)
        self._advance()
        await super().stop()
        if self._dispatcher is not None:
            await self._dispatcher.close()

    def watch_no_more(self) -> None:
        """Report no more replicas: for a run whose account is to be closed."""
        self._watching = False

    def watch_again(self) -> None:
        """Report replicas again."""
        self._watching = True

    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """What had no outcome is read again from the commit, to the end before any is applied.

        Of decisions made while nobody acted, only each workload's newest is worth a change.
        """
        self._pending = {number: deque() for number in partitions}
        self._backlog = {number: [] for number in partitions}
        self._read.clear()
        topic = self.settings.topic_prefix + self.topic
        tps = [TP(topic, number) for number in partitions]
        ends = await self.consumer.highwaters(*tps) if tps else {}
        self._caught_up_at = {tp.partition: end for tp, end in ends.items()}
        self._respec.set()
        return {}

    async def on_batch(self, batch: FetchedBatch) -> None:
        """Hand over the decisions; the newest of a workload supersedes the rest."""
        if self._dispatcher is None:
            return
        for offset, _, value in batch.records():
            try:
                decision = codec.decision(value or b"")
            except codec.REFUSALS as error:
                fault = (None, *codec.why(error, value))
                await self._unreadable.tell(batch, offset, value, [fault])
                continue
            self._backlog[batch.partition].append((offset, decision))
        position = batch.last + 1
        if position < self._caught_up_at[batch.partition]:
            return
        backlog, self._backlog[batch.partition] = self._backlog[batch.partition], []
        for offset, decision in backlog:
            future = self._dispatcher.submit(decision)
            cause = decision.inputs.cause
            task = asyncio.create_task(self._settle(future, None if cause is None else cause.at))
            self._pending[batch.partition].append((offset, task))
            task.add_done_callback(self._settled)
        self._read[batch.partition] = position
        self._advance()

    async def _settle(self, future: asyncio.Future[Outcome], caused_at: float | None) -> None:
        outcome = await future
        if outcome.result is Result.APPLIED and caused_at is not None:
            self._metrics.reaction_seconds.observe(max(outcome.at - caused_at, 0.0))
        self._metrics.outcomes.labels(outcome.result.value, outcome.why).inc()
        sent = await self._outbox.send("outcomes", codec.encode(outcome), key=outcome.workload)
        await sent

    def _settled(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._advance()
        else:
            self._fail(error)

    def _advance(self) -> None:
        """The frontier is the oldest decision without an acknowledged outcome."""
        for partition, pending in self._pending.items():
            while pending and _answered(pending[0][1]):
                pending.popleft()
            read = self._read.get(partition)
            if read is not None:
                self.frontiers[partition] = pending[0][0] if pending else read

    def _on_spec(self, change: SpecChange) -> None:
        del change
        self._respec.set()

    def _refs(self) -> list[TargetRef]:
        owned = self.assigned or frozenset()
        return [
            ref
            for workload, (scaler, _) in sorted(self._specs.all().items())
            if partition_of(workload, self._partitions) in owned
            for ref in targets(scaler)
        ]

    async def _watch(self) -> None:
        """Watch the owned workloads, anew whenever they or the assignment change."""
        watching: asyncio.Task[None] | None = None
        refs: list[TargetRef] = []
        try:
            while True:
                await self._respec.wait()
                self._respec.clear()
                if refs == (refs := self._refs()) and watching is not None:
                    continue
                if watching is not None:
                    watching.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await watching
                watching = asyncio.create_task(self._follow(refs)) if refs else None
        finally:
            if watching is not None:
                watching.cancel()

    async def _follow(self, refs: list[TargetRef]) -> None:
        while True:
            try:
                async for observation in self._actuator.watch(refs):
                    if self._watching:
                        await self._report(observation)
            except Exception:
                log.exception("the watch ended; watching again")
            await asyncio.sleep(1.0)

    async def _report(self, seen: Observation) -> None:
        report = ReplicaReport(
            v=1,
            workload=seen.ref.workload,
            at=seen.at,
            desired=seen.desired,
            ready=seen.ready,
            starting=seen.starting,
            started_s=seen.started_s,
            variant=seen.ref.variant,
        )
        value = codec.encode(report)
        while len(self._reports) >= MOST_REPORTS:
            await asyncio.wait(self._reports, return_when=asyncio.FIRST_COMPLETED)
        sent = await self._outbox.send("telemetry", value, key=seen.ref.workload)
        self._reports.add(sent)
        sent.add_done_callback(self._reported)

    def _reported(self, sent: asyncio.Future[Any]) -> None:
        self._reports.discard(sent)
        error = None if sent.cancelled() else sent.exception()
        if error is None:
            self.reported += 1
        else:
            self._fail(error)


def _answered(task: asyncio.Task[None]) -> bool:
    """Whether a decision's outcome is acknowledged; one that was cancelled counts as over."""
    return task.done() and (task.cancelled() or task.exception() is None)
