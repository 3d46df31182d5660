"""actuate: decisions handed to the dispatcher, outcomes back to Kafka.

Rule: a decision's offset is committed only when its outcome is acknowledged, so a killed
actuator's successor takes up what it had not finished, and passes over what it had answered.
Of each workload the dispatcher holds two decisions at most, and the producer a bounded number
of outcomes: while either is full, nothing more is read.
Flow: foretide.decisions -> Dispatcher -> foretide.outcomes; watch -> foretide.telemetry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping

from faust.types import TP

from actuators.check import targets
from actuators.clock import Clock
from actuators.dispatcher import Dispatcher
from actuators.protocol import Actuator, TargetRef
from models.domain.decision import Decision
from models.domain.outcome import Outcome, Result
from models.step import SpecChange
from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.lease import Lease
from streams.kafka.outbox import Outbox
from streams.kafka.partitioner import partition_of
from streams.metrics import Metrics
from streams.roles.answered import answered_since
from streams.roles.replicas import ReplicaReports
from streams.roles.role import STUCK_S, RoleService
from streams.roles.teller import Teller
from streams.roles.unreadable import Unreadable
from streams.settings import Settings
from streams.specs_table import SpecTable

log = logging.getLogger(__name__)

MOST_UNSENT = 1000
"""Outcomes that the broker has not acknowledged, before no more decisions are taken up: half a
megabyte, and some seconds' work of a broker that is well."""

PLATFORM_S = 1.0
"""How long a stopping worker waits for the platform: an answer takes milliseconds, or hangs."""

PAUSE_S = 0.05
"""Between two looks whether a rebalance is over."""

TOLD = 10_000
"""Decisions told here that are remembered, a megabyte: plan may send one twice after a takeover."""

TURN = 50
"""Decisions taken up before others have a turn: outcomes known at once begin to be sent."""


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
        outcomes: Outbox,
        specs: SpecTable,
        actuator: Actuator,
        metrics: Metrics,
    ) -> None:
        """``actuator`` is the platform, ``outcomes`` a producer for them alone: the caller's."""
        super().__init__(settings)
        self._outbox = outbox
        self._specs = specs
        self._metrics = metrics
        self._unreadable = Unreadable(outbox, metrics)
        self._dispatcher = Dispatcher(
            actuator, specs=specs, clock=clock, concurrency=settings.actuator_concurrency
        )
        self.replicas = ReplicaReports(actuator, outbox=outbox, refs=self._refs)
        self._pending: dict[int, deque[tuple[int, asyncio.Task[None]]]] = {}
        """Per partition, oldest first: (offset, task) of decisions whose outcome is not
        acknowledged."""
        self._open: dict[str, asyncio.Task[None]] = {}
        """The same by decision, of this assignment."""
        self._fewer = asyncio.Event()
        """Set whenever one of the unsent is not any more; waiting for all takes as many calls."""
        self._unsent: set[asyncio.Task[None]] = set()
        """Those of them that have an outcome, which the broker has not acknowledged."""
        self._ours: dict[str, asyncio.Task[None]] = {}
        """What was on its way when partitions were assigned: it is not answered again."""
        self._told: dict[str, None] = {}
        """Decisions whose outcome the broker has from us: the newest ``TOLD``, oldest first."""
        self._answered: dict[int, set[str]] = {}
        """Per partition that catches up: decisions that have an outcome in the log."""
        self._held: dict[int, set[str]] = {}
        """Per partition that catches up: workloads whose newest decision waits for the end."""
        self._lease = Lease(session_timeout_s=settings.session_timeout_s)
        self._teller = Teller(outcomes, owner=self._owner)
        self._read: dict[int, int] = {}
        self._caught_up_at: dict[int, int] = {}
        self._partitions = 0

    async def start(self) -> None:
        """See ``RoleService``."""
        self._partitions = await self._outbox.partitions("decisions")
        await self._teller.start()
        self._specs.listen(self._on_spec)
        await super().start()
        self.spawn(self.replicas.run(), "watch")

    async def settle(self) -> None:
        """Finish what is at the platform, and have the outcomes acknowledged."""
        await super().settle()
        await self._dispatcher.drain(timeout_s=PLATFORM_S)
        await self._give_up()
        if self._unsent:
            await asyncio.wait(self._unsent)
        self._advance()

    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """What had no outcome is read again from the commit, to the end before any is applied.

        Of decisions made while nobody acted, only each workload's newest is worth a change.
        """
        self._pending = {number: deque() for number in partitions}
        self._held = {number: set() for number in partitions}
        self._answered.clear()
        self._read.clear()
        await self._give_up()
        sending = self._teller.sending
        known = self._ours | self._open  # Of two rebalances the first may be on its way still.
        self._ours = {name: task for name, task in known.items() if name in sending}
        self._open = {}
        topic = self.settings.topic_prefix + self.topic
        tps = [TP(topic, number) for number in partitions]
        ends = await self.consumer.highwaters(*tps) if tps else {}
        self._caught_up_at = {tp.partition: end for tp, end in ends.items()}
        self.replicas.look_again()
        return {}

    async def _give_up(self) -> None:
        """Leave what has no outcome yet to whoever reads it again."""
        await self._dispatcher.abandon()
        await asyncio.sleep(0)  # What has just got one is on its way after this.

    async def on_batch(self, batch: FetchedBatch) -> None:
        """Hand over the decisions; the newest of a workload supersedes the rest."""
        number = batch.partition
        pending = self._pending.get(number)
        if pending is None:
            return
        behind = batch.first < self._caught_up_at[number]
        if behind and number not in self._answered:
            await self._ask_what_is_answered(batch)
        for count, (offset, _, value) in enumerate(batch.records()):
            if count % TURN == 0:
                await self._room()
            if self._pending.get(number) is not pending:
                return  # Assigned anew meanwhile: this is read again.
            decision = await self._decision(batch, offset, value)
            task = None if decision is None else self._take(number, decision, hold=behind)
            if task is not None:
                pending.append((offset, task))
        self._read[number] = batch.last + 1
        if batch.last + 1 >= self._caught_up_at[number]:
            for workload in sorted(self._held.pop(number, ())):
                self._dispatcher.release(workload)
            self._answered.pop(number, None)
        self._advance()

    async def _ask_what_is_answered(self, batch: FetchedBatch) -> None:
        pending = self._pending.get(batch.partition)
        _, since_ms, _ = next(iter(batch.records()))
        answered = await answered_since(self.settings, batch.partition, since_ms)
        if self._pending.get(batch.partition) is pending:
            self._answered[batch.partition] = answered

    async def _decision(
        self, batch: FetchedBatch, offset: int, value: bytes | None
    ) -> Decision | None:
        """The decision of a record; None: this version cannot read it, and that is told."""
        try:
            return codec.decision(value or b"")
        except codec.REFUSALS as error:
            fault = (None, *codec.why(error, value))
            await self._unreadable.tell(batch, offset, value, [fault])
            return None

    def _take(self, number: int, decision: Decision, *, hold: bool) -> asyncio.Task[None] | None:
        """The task that answers a decision; None: it has been answered."""
        found = self._open.get(decision.id) or self._ours.get(decision.id)
        if found is not None:
            return found
        if decision.id in self._told or decision.id in self._answered.get(number, ()):
            return None
        if hold:
            self._held[number].add(decision.workload)
        future = self._dispatcher.submit(decision, hold=hold)
        task = asyncio.create_task(self._answer(future, decision, self.generation))
        self._open[decision.id] = task
        task.add_done_callback(lambda done: self._over(decision.id, done))
        return task

    async def _room(self) -> None:
        """Give the others a turn, and wait while too many outcomes are on their way."""
        await asyncio.sleep(0)
        while len(self._unsent) >= MOST_UNSENT:
            self._fewer.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fewer.wait(), STUCK_S / 6)
            self.alive()  # A broker that is away is no reason to end a worker that waits for it.

    async def _answer(
        self, future: asyncio.Future[Outcome], decision: Decision, generation: int
    ) -> None:
        outcome = await future
        task = asyncio.current_task()
        if task is not None:
            self._unsent.add(task)
            task.add_done_callback(self._fewer_unsent)
        if not await self._teller.tell(outcome, generation):
            log.info("%s: %s, which its new owner tells", decision.id, outcome.result)
            raise asyncio.CancelledError
        cause = decision.inputs.cause
        if outcome.result is Result.APPLIED and cause is not None:
            self._metrics.reaction_seconds.observe(max(outcome.at - cause.at, 0.0))
        self._metrics.outcomes.labels(outcome.result.value, outcome.why).inc()
        self._told[decision.id] = None
        if len(self._told) > TOLD:
            del self._told[next(iter(self._told))]

    async def _owner(self, generation: int) -> bool:
        """Whether what was read in ``generation`` is ours to tell; waits out a rebalance."""
        while self.app.rebalancing and generation == self.generation:  # noqa: ASYNC110 - Faust's
            await asyncio.sleep(PAUSE_S)
        thread = self.consumer._thread  # noqa: SLF001
        return generation == self.generation and await self._lease.held(thread, generation)

    def _over(self, decision: str, task: asyncio.Task[None]) -> None:
        if self._open.get(decision) is task:
            del self._open[decision]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._advance()
        else:
            self._fail(error)

    def _fewer_unsent(self, task: asyncio.Task[None]) -> None:
        self._unsent.discard(task)
        self._fewer.set()

    def _advance(self) -> None:
        """The frontier is the oldest decision without an acknowledged outcome.

        One that was given up has none, and stays where it is until it is read again.
        """
        for partition, pending in self._pending.items():
            while pending and _acknowledged(pending[0][1]):
                pending.popleft()
            read = self._read.get(partition)
            if read is not None:
                self.frontiers[partition] = pending[0][0] if pending else read

    def _on_spec(self, change: SpecChange) -> None:
        del change
        self.replicas.look_again()

    def _refs(self) -> list[TargetRef]:
        owned = self.assigned or frozenset()
        return [
            ref
            for workload, (scaler, _) in sorted(self._specs.all().items())
            if partition_of(workload, self._partitions) in owned
            for ref in targets(scaler)
        ]


def _acknowledged(task: asyncio.Task[None]) -> bool:
    """Whether a decision's outcome is in the log."""
    return task.done() and not task.cancelled() and task.exception() is None
