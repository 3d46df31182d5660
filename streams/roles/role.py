"""What all roles share: a Faust app, a group, frontiers, and how they start and stop.

Rule: one role, one app, one consumer group; so a role can run alone or beside the others.
"""

from __future__ import annotations

import abc
import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

from faust.types import TP, StreamT

from streams.kafka.batch import FetchedBatch
from streams.kafka.membership import GroupRefusedError
from streams.kafka.security import faust_credentials, ssl_context
from streams.kafka.transport import BatchConsumer, RoleApp, batch_topic, role_app
from streams.progress import PartitionProgress, Unsettled, progress_of
from streams.roles.lanes import Lane
from streams.settings import Role, Settings
from streams.topics import Name

log = logging.getLogger(__name__)

BEAT_S = 1.0
STUCK_S = 60.0
"""How long a role may stand still before it no longer counts as alive."""


class RoleService(abc.ABC):
    """A role: it consumes one topic, batch by batch, each partition in a lane of its own.

    Subclasses say what to do with a batch, and set ``frontiers`` as work becomes safe.
    """

    role: Role
    topic: Name

    def __init__(self, settings: Settings) -> None:
        """Builds the app; nothing is connected before ``start``."""
        self.settings = settings
        self.frontiers: dict[int, int] = {}
        self.assigned: frozenset[int] | None = None
        self.generation = 0
        """The group's generation in which they were assigned."""
        self.ready = asyncio.Event()
        self._expected: dict[int, int] = {}
        """The next offset of each partition."""
        self._sought: dict[int, int] = {}
        """Where a batch began that was not the next, when it was last sought again."""
        self._unsettled: dict[int, Unsettled] = {}
        self._beat_at = time.monotonic()
        self._lanes: dict[int, Lane] = {}
        self._closing = False
        self.failure: asyncio.Future[BaseException] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.app: RoleApp = role_app(
            settings.group_prefix + self.role,
            bootstrap=settings.servers,
            offsets=self,
            credentials=faust_credentials(settings),
            ssl_context=ssl_context(settings),
            session_timeout_s=settings.session_timeout_s,
            commit_interval_s=settings.commit_interval_s,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
        )
        topic = batch_topic(self.app, settings.topic_prefix + self.topic)
        self.app.agent(topic, name=f"{settings.group_prefix}{self.role}")(self._consume)

    async def start(self) -> None:
        """Join the group and begin; returns when the app is up, not yet when it is assigned.

        Raises ``GroupRefusedError`` when Kafka does not let it in.
        """
        self.failure = asyncio.get_running_loop().create_future()
        # Beside the start: who is not let into the group would wait for its partitions forever.
        self.spawn(self._heartbeat(), "heartbeat")
        self.spawn(self._crash(), "crash")
        starting = asyncio.ensure_future(self.app.start())
        first: set[asyncio.Future[Any]] = {starting, self.failure}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            raise self.failure.result()
        await starting

    async def settle(self) -> None:
        """Before a stop: take nothing more, and finish what is begun.

        Takes as long as it takes; a caller in a hurry cancels it, and what is not finished is
        done again by whoever takes over.
        """
        self._closing = True
        for lane in self._lanes.values():
            lane.drop()
            await lane.rest()

    async def stop(self) -> None:
        """Commit, leave the group."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.app.stop()

    def spawn(self, task: Any, name: str) -> None:  # noqa: ANN401 - any coroutine
        """Run a coroutine beside the agent; its failure is the role's failure."""
        self._tasks.append(asyncio.create_task(self._guard(task), name=f"{self.role}:{name}"))

    async def seek_to(self, assigned: frozenset[TP], generation: int) -> Mapping[TP, int]:
        """See ``OffsetPolicy``.

        Everything held of retained partitions is dropped as well: a rebalance seeks all
        partitions back to their commits.
        """
        numbers = frozenset(tp.partition for tp in assigned)
        self.frontiers.clear()
        self._expected.clear()
        self._sought.clear()
        for lane in self._lanes.values():
            lane.drop()
        self._unsettled = {number: Unsettled() for number in numbers}
        self.assigned = numbers
        self.generation = generation
        wanted = await self.on_assigned(numbers)
        begins: dict[TP, int] = {}
        if numbers:
            earliest = await self.consumer.earliest_offsets(*assigned)
            committed = self.consumer._committed_offset  # noqa: SLF001 - kept nowhere else
            for tp in assigned:
                start = wanted.get(tp.partition, committed.get(tp) or 0)
                begins[tp] = max(start, earliest[tp])
                self._expected[tp.partition] = begins[tp]
        self.ready.set()
        log.info("%s: partitions %s", self.role, sorted(numbers))
        return begins

    async def _in_order(self, batch: FetchedBatch) -> FetchedBatch | None:
        """The batch from where the last one ended; None: it is not the next, and was dropped.

        A fetch that was under way when partitions were reassigned may deliver what lies before
        or beyond the seek.  What is beyond is sought again; if the broker then begins there once
        more, nothing lies between (the log was cut, or holds control records).
        """
        expected = self._expected.get(batch.partition)
        if expected is None:
            return None
        first = batch.first
        if first < expected:
            return batch.after(expected)
        if first > expected and self._sought.get(batch.partition) != first:
            self._sought[batch.partition] = first
            log.info("%s/%d: %d came, %d is next", batch.topic, batch.partition, first, expected)
            await self.consumer.seek_wait({TP(batch.topic, batch.partition): expected})
            return None
        return batch

    def frontier(self, tp: TP) -> int | None:
        """See ``OffsetPolicy``."""
        return self.frontiers.get(tp.partition)

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer."""
        return cast("BatchConsumer", self.app.consumer)

    @abc.abstractmethod
    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Drop all state and say where to begin; what is not named begins at the commit."""

    @abc.abstractmethod
    async def on_batch(self, batch: FetchedBatch) -> None:
        """Take in one batch."""

    async def _consume(self, stream: StreamT[Any]) -> None:
        async for event in stream.events():
            if self._closing:
                continue
            lane = self._lane(event.value.partition)
            await lane.room()
            try:
                batch = await self._in_order(event.value)
            except Exception as error:
                self._fail(error)
                raise
            if batch is not None:
                # Nothing is awaited in between: a seek drops what waits, and forgets what is next.
                self._expected[batch.partition] = batch.last + 1
                self._remember(batch)
                lane.add(batch)

    def _lane(self, partition: int) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane(self.on_batch)
            self.spawn(lane.run(), f"lane-{partition}")
        return lane

    def _remember(self, batch: FetchedBatch) -> None:
        """Keep when a batch was appended until it is done."""
        unsettled = self._unsettled.get(batch.partition)
        if unsettled is not None:
            unsettled.settle(self.frontiers.get(batch.partition))
            unsettled.read(batch.last, batch.oldest_ms / 1000.0)

    def settled(self, partition: int) -> int | None:
        """The offset up to which everything is done, though perhaps not yet committed."""
        return self.frontiers.get(partition)

    def progress(self) -> list[PartitionProgress]:
        """How far each owned partition is, for the metrics."""
        now, topic = time.time(), self.settings.topic_prefix + self.topic
        found = []
        for number, unsettled in sorted(self._unsettled.items()):
            unsettled.settle(self.settled(number))
            standing = self.consumer.standing(TP(topic, number))
            found.append(progress_of(number, standing, unsettled, now=now))
        return found

    def alive(self) -> None:
        """A batch that takes long goes on: it is waiting for somebody, not stuck."""
        for lane in self._lanes.values():
            lane.alive()

    async def acknowledged(self, sends: Iterable[asyncio.Future[Any]]) -> None:
        """Wait until the broker has acknowledged them; raises the first failure.

        A broker that is away for long is no reason to end a worker that waits for it.
        """
        left = set(sends)
        while left:
            done, left = await asyncio.wait(left, timeout=STUCK_S / 6)
            for send in done:
                send.result()
            self.alive()

    def stuck(self) -> str | None:
        """Why this role is not alive; None: it is.

        A batch that takes too long, or a loop or consumer thread that no longer turns; a broker
        that is away is none of these, and a restart would not bring it back.
        """
        now = time.monotonic()
        if self.failure is not None and self.failure.done():
            return f"failed: {self.failure.result()!r}"
        begun = [lane.busy_since for lane in self._lanes.values() if lane.busy_since is not None]
        if begun and now - min(begun) > STUCK_S:
            return f"one batch takes {now - min(begun):.0f} s"
        if now - self._beat_at > STUCK_S:
            return f"no sign of life for {now - self._beat_at:.0f} s"
        return None

    async def _heartbeat(self) -> None:
        """A turn through the consumer's thread and back; raises what keeps it out of the group."""
        while True:
            await self.consumer.check()
            self._beat_at = time.monotonic()
            await asyncio.sleep(BEAT_S)

    async def _crash(self) -> None:
        """Raise what ended Faust's own tasks, of which it tells nobody."""
        # Its event belongs to the loop of whichever thread crashed first.
        while not self.app.crashed:  # noqa: ASYNC110
            await asyncio.sleep(BEAT_S)
        raise self.app.crash_reason or RuntimeError("the Faust app has crashed")

    async def _guard(self, task: Any) -> None:  # noqa: ANN401 - any coroutine
        try:
            await task
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        told = isinstance(error, GroupRefusedError)  # Its text says all there is to say.
        log.error("%s cannot go on: %r", self.role, error, exc_info=None if told else error)
        if self.failure is not None and not self.failure.done():
            self.failure.set_result(error)
