"""Faust on whole fetched batches, with commits that the role decides.

Rule: an agent gets one message per fetched partition batch; it is acknowledged at once, and the
offset that is committed is the role's frontier, moved only on acknowledged sends.
Why: one object per event is what makes Faust slow, and its own commit arithmetic loses data when
messages are batches (``Consumer._add_gap`` counts the message's own offset as a gap).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, cast

import faust
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import ConsumerNotStarted
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from streams.kafka.batch import FetchedBatch, Run, run_of
from streams.kafka.bulk import deliver_runs
from streams.kafka.membership import tolerate
from streams.progress import Standing


def commit_stamp(at: float) -> str:
    """Metadata of a commit made at ``at``, Unix seconds."""
    return f"at={at:.3f}"


def committed_at(metadata: str) -> float | None:
    """When a commit was made; None: whoever made it did not say."""
    name, _, value = metadata.partition("=")
    try:
        return float(value) if name == "at" else None
    except ValueError:
        return None


FETCH_BYTES = 4 * 1024 * 1024
QUEUED_BATCHES = 16
"""Fetched batches that wait for an agent that is held up: at most 64 MiB a role."""


class OffsetPolicy(Protocol):
    """What a role says of its offsets."""

    async def seek_to(self, assigned: frozenset[TP], generation: int) -> Mapping[TP, int]:
        """Where to begin reading after a rebalance; what is not named begins at the commit.

        ``generation`` is the group's, in which they were assigned.  Called with the flow
        stopped: state of what is no longer owned is dropped here.
        """
        ...

    def frontier(self, tp: TP) -> int | None:
        """The offset up to which everything is safely done; None when nothing is known."""
        ...


class BatchThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread, returning one object per partition instead of one per record."""

    async def on_start(self) -> None:
        """See the parent; nothing has been fetched yet."""
        await super().on_start()
        deliver_runs(self._consumer)
        tolerate(self._consumer)

    async def check(self) -> None:
        """See ``BatchConsumer.check``; in this thread."""
        if self._consumer is not None:
            self._consumer._coordinator.check_errors()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes this at 1500 ms, and has no setting.  A broker answers as soon as there is
        # data, but librdkafka's mock broker sleeps the whole wait even when data arrives.
        consumer._fetch_max_wait_ms = cast("RoleApp", self.app).fetch_max_wait_ms
        consumer.commit = _stamped(consumer.commit)
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - the overridden signature
        max_records: int | None = None,
    ) -> dict[TP, list[FetchedBatch]]:
        fetched: Mapping[TP, list[Any]] = await super()._fetch_records(
            consumer, active_partitions, timeout=timeout, max_records=max_records
        )
        generation = self.app.consumer_generation_id
        return {
            tp: [FetchedBatch(tp.topic, tp.partition, _runs(records), generation)]
            for tp, records in fetched.items()
            if records
        }


def _stamped(commit: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """``commit``, telling when it was made: the broker gives nobody the time of a commit."""

    async def stamped(offsets: Mapping[Any, OffsetAndMetadata]) -> None:
        if not offsets:
            # All of them were revoked meanwhile; Faust asks all the same, and aiokafka refuses.
            return
        told = commit_stamp(time.time())
        await commit({tp: OffsetAndMetadata(found.offset, told) for tp, found in offsets.items()})

    return stamped


def _runs(fetched: list[Any]) -> list[Run]:
    """Runs, or single records of a fetch whose consumer does not deliver runs."""
    return fetched if isinstance(fetched[0], Run) else [run_of(fetched)]


class BatchConsumer(driver.Consumer):
    """Delivers batches and commits frontiers."""

    def __init__(self, *given: Any, **more: Any) -> None:
        """See the parent."""
        super().__init__(*given, **more)
        self._seeking = asyncio.Lock()

    @property
    def _offsets(self) -> OffsetPolicy:
        return cast("RoleApp", self.app).offsets

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        batch: FetchedBatch = record
        return ConsumerMessage(
            batch.topic,
            batch.partition,
            batch.last,
            batch.newest_ms / 1000.0,
            0,
            [],
            None,
            cast("bytes", batch),
            None,
            0,
            0,
            tp,
            generation_id=batch.generation,
        )

    def ack(self, message: Message) -> bool:
        """Free the payload at once; what is committed is the frontier's business."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps say nothing here: see the module's text."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([tp for tp in self.assignment() if topics is None or tp.topic in topics])

    def _new_offset(self, tp: TP) -> int | None:
        return self._offsets.frontier(tp)

    def standing(self, tp: TP) -> Standing:
        """What is known of a partition's offsets without asking the broker."""
        thread = self._thread
        try:
            end = thread.highwater(tp)
        except (ConsumerNotStarted, AssertionError):  # aiokafka asserts that it is assigned.
            end = None
        at = thread.tp_last_committed_at.get(tp)
        ago_s = None if at is None else time.monotonic() - at
        return Standing(self._committed_offset.get(tp), end, ago_s)

    async def check(self) -> None:
        """Return when the consumer's thread has had a turn.

        Raises ``GroupRefusedError`` when Kafka does not let this consumer into its group.
        """
        thread = cast("BatchThread", self._thread)
        await thread.call_thread(thread.check)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """See the parent; and where nothing is assigned, tell the role so.

        Faust seeks only where there is something to seek, and a seek is how a role learns what
        it owns: without this one that lost everything would go on with what it had, and one that
        got nothing would never be ready.
        """
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            # Not awaited: a seek that is under way may wait for this very callback to return.
            self.add_future(self._tell_of_nothing())

    async def _tell_of_nothing(self) -> None:
        async with self._seeking:
            if not self.assignment():
                await self._offsets.seek_to(frozenset(), self.app.consumer_generation_id)

    async def perform_seek(self) -> None:
        """Seek to the commits, then to where the role wants to begin instead.

        One at a time: after a rebalance Faust seeks from its recovery and from ``getmany`` as
        well, and between the parts of one the role would fold what the other made it forget.
        """
        async with self._seeking:
            await super().perform_seek()
            # The generation first: what is assigned later than it is at worst called older.
            generation = self.app.consumer_generation_id
            wanted = await self._offsets.seek_to(frozenset(self.assignment()), generation)
            if wanted:
                await self.seek_wait(wanted)


class BatchProducer(driver.Producer):
    """Faust's own producer, made safe; roles send through ``Outbox``, this one only exists."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class BatchTransport(driver.Transport):
    """The transport that ties them together."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer
    Producer: ClassVar[type[BatchProducer]] = BatchProducer


class BatchSchema(Schema[bytes, bytes]):
    """Hands the batch through untouched: decoding is the role's, typed and validated."""

    def loads_key(self, app: Any, message: Message, *, loads: Any = None, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Message, *, loads: Any = None, **_: Any) -> Any:
        return message.value


class RoleApp(faust.App):
    """One Faust application: one role, one consumer group."""

    offsets: OffsetPolicy
    fetch_max_wait_ms: int

    def _create_directories(self) -> None:
        """None: there are no tables, and a worker needs no disk."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_producer, self)


def role_app(
    group: str,
    *,
    bootstrap: Iterable[str],
    offsets: OffsetPolicy,
    credentials: Any,
    ssl_context: ssl.SSLContext | None,
    session_timeout_s: float,
    commit_interval_s: float,
    fetch_max_wait_ms: int,
) -> RoleApp:
    """A Faust app for one role.  ``group`` is its consumer group.

    Every setting is explicit, and the environment prefix is our own: Faust lets an environment
    variable such as a bare TOPIC_PARTITIONS overrule an argument.
    """
    app = RoleApp(
        group,
        broker=[f"kafka://{server}" for server in bootstrap],
        env_prefix="FORETIDE_FAUST_",
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        autodiscover=False,
        broker_credentials=credentials,
        ssl_context=ssl_context,
        broker_session_timeout=session_timeout_s,
        # A member hears of a rebalance by its next heartbeat: part of what a takeover takes.
        broker_heartbeat_interval=session_timeout_s / 6,
        broker_request_timeout=max(40.0, session_timeout_s * 2),
        broker_commit_interval=commit_interval_s,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=None,
        consumer_max_fetch_size=FETCH_BYTES,
        stream_wait_empty=False,
        loghandlers=[],
        logging_config=None,
    )
    app.offsets = offsets
    app.fetch_max_wait_ms = fetch_max_wait_ms
    app.finalize()
    return app


def batch_topic(app: RoleApp, name: str) -> Any:
    """A topic of ``app`` whose events are ``FetchedBatch``es."""
    return app.topic(
        name,
        schema=BatchSchema(key_type=bytes, value_type=bytes, allow_empty=True),
        maxsize=QUEUED_BATCHES,
    )
