"""Faust on whole fetched batches, with commits that the role decides.

Rule: an agent gets one message per fetched partition batch; it is acknowledged at once, and the
offset that is committed is the role's frontier, moved only on acknowledged sends.
Why: one object per event is what makes Faust slow, and its own commit arithmetic loses data when
messages are batches (``Consumer._add_gap`` counts the message's own offset as a gap).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, cast

import faust
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from streams.kafka.batch import FetchedBatch, Run, run_of
from streams.kafka.bulk import deliver_runs

FETCH_BYTES = 4 * 1024 * 1024
QUEUED_BATCHES = 16
"""Fetched batches that wait for an agent that is held up: at most 64 MiB a role."""


class OffsetPolicy(Protocol):
    """What a role says of its offsets."""

    async def seek_to(self, assigned: frozenset[TP]) -> Mapping[TP, int]:
        """Where to begin reading after a rebalance; what is not named begins at the commit.

        Called with the flow stopped: state of what is no longer owned is dropped here.
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

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes this at 1500 ms, and has no setting.  A broker answers as soon as there is
        # data, but librdkafka's mock broker sleeps the whole wait even when data arrives.
        consumer._fetch_max_wait_ms = cast("RoleApp", self.app).fetch_max_wait_ms
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

    async def threads_turn(self) -> None:
        """Return when the consumer's thread has had a turn."""
        await self._thread.call_thread(_turn)

    async def perform_seek(self) -> None:
        """Seek to the commits, then to where the role wants to begin instead.

        One at a time: after a rebalance Faust seeks from its recovery and from ``getmany`` as
        well, and between the parts of one the role would fold what the other made it forget.
        """
        async with self._seeking:
            await super().perform_seek()
            wanted = await self._offsets.seek_to(frozenset(self.assignment()))
            if wanted:
                await self.seek_wait(wanted)


async def _turn() -> None:
    """Nothing, on whatever loop it runs."""


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

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """See the parent, which seeks nothing when a group has more members than partitions."""
        await super()._on_partitions_assigned(assigned, generation_id)
        if not assigned and not self.should_stop:
            async with cast("BatchConsumer", self.consumer)._seeking:
                await self.offsets.seek_to(frozenset())

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
        broker_heartbeat_interval=session_timeout_s / 3,
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
