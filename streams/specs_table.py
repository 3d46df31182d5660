"""The table of specs: all of foretide.workloads, read from its beginning, then followed.

Rule: read without a group, because a group resumes at its commit and forgets the rest; a role
acts only after the table has been read to its end once.  A bad spec is logged and counted, and
the one before it stays in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import TypeAdapter, ValidationError

from models.domain.spec import API_VERSION, AgentScaler, Pool, Spec
from models.step import SpecChange
from streams.codec import encode
from streams.kafka.security import client_options
from streams.settings import Settings

log = logging.getLogger(__name__)

_parse = TypeAdapter[AgentScaler | Pool](Spec).validate_json

POOL_PREFIX = "pool/"


def spec_key(spec: AgentScaler | Pool) -> str:
    """Key of a spec in foretide.workloads: ``namespace/name``, or ``pool/NAME``.

    A namespace called ``pool`` would clash; Kubernetes allows it, and ``check`` refuses it.
    """
    if isinstance(spec, AgentScaler):
        return spec.workload
    return POOL_PREFIX + spec.metadata.name


def encode_spec(spec: AgentScaler | Pool) -> bytes:
    """A spec as the topic carries it: only what was set, in the names users know."""
    written = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return encode({"apiVersion": API_VERSION, "kind": spec.kind, **written})


class SpecTable:
    """Newest spec and revision of every workload and pool."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is read before ``start``."""
        self._topic = settings.topic_prefix + "workloads"
        self._settings = settings
        self._scalers: dict[str, tuple[AgentScaler, int]] = {}
        self._pools: dict[str, tuple[Pool, int]] = {}
        self._listeners: list[Callable[[SpecChange], None]] = []
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self.refused = 0

    def listen(self, listener: Callable[[SpecChange], None]) -> None:
        """Call ``listener`` on every change of an AgentScaler from now on."""
        self._listeners.append(listener)

    def get(self, workload: str) -> tuple[AgentScaler, int] | None:
        """Spec and revision of a workload; None when it has none."""
        return self._scalers.get(workload)

    def all(self) -> dict[str, tuple[AgentScaler, int]]:
        """Specs and revisions by workload."""
        return dict(self._scalers)

    def pool(self, name: str) -> Pool | None:
        """A pool's spec; None when nobody defined it."""
        found = self._pools.get(name)
        return None if found is None else found[0]

    async def wait_for(self, workload: str, revision: int) -> None:
        """Wait until the table has read ``revision`` of a workload, or a newer one."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: (found := self._scalers.get(workload)) is not None and found[1] >= revision
            )

    async def start(self) -> None:
        """Read everything there is, then follow in the background."""
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._settings.fetch_max_wait_ms,
        )
        await consumer.start()
        self._consumer = consumer
        partitions = await _partitions(consumer, self._topic)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            await self._read(timeout_ms=200)
        self._task = asyncio.create_task(self._follow(), name="specs")

    async def stop(self) -> None:
        """Stop following; idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    async def _follow(self) -> None:
        while True:
            try:
                await self._read(timeout_ms=1000)
            except Exception:
                log.exception("reading %s failed; trying again", self._topic)
                await asyncio.sleep(1.0)

    async def _read(self, *, timeout_ms: int) -> None:
        if self._consumer is None:
            return
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
        for records in fetched.values():
            for record in records:
                await self._take(record.key, record.value, record.offset + 1)

    async def _take(self, raw_key: bytes | None, value: bytes | None, revision: int) -> None:
        key = (raw_key or b"").decode("utf-8", "replace")
        spec: AgentScaler | Pool | None = None
        if value is not None:
            try:
                spec = _parse(value)
            except ValidationError as error:
                self.refused += 1
                log.error("spec %r refused, the one before stays in force: %s", key, error)  # noqa: TRY400
                return
            if spec_key(spec) != key:
                self.refused += 1
                log.error("spec of %s has the key %r: refused", spec_key(spec), key)
                return
        if key.startswith(POOL_PREFIX):
            if isinstance(spec, Pool):
                self._pools[key.removeprefix(POOL_PREFIX)] = spec, revision
            else:
                self._pools.pop(key.removeprefix(POOL_PREFIX), None)
            return
        scaler = spec if isinstance(spec, AgentScaler) else None
        if scaler is None:
            self._scalers.pop(key, None)
        else:
            self._scalers[key] = scaler, revision
        for listener in self._listeners:
            listener(SpecChange(workload=key, revision=revision, spec=scaler))
        async with self._changed:
            self._changed.notify_all()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic, waiting a little for the metadata of a new one."""
    for _ in range(100):
        found = consumer.partitions_for_topic(topic)
        if found:
            return [TopicPartition(topic, partition) for partition in sorted(found)]
        await consumer._client.add_topic(topic)  # noqa: SLF001 - no public way without a group
        await asyncio.sleep(0.05)
    msg = f"topic {topic} does not exist: run `foretide topics create`"
    raise RuntimeError(msg)
