"""Blocks: events of one telemetry partition folded into partials, exact under any redelivery.

Rule: a block is a run of offsets fixed by the log alone, so whoever folds it again, from its
start, gets the same partials; a partial is cumulative in its block (docs/design.md, "Blocks").
Flow: decoded events in offset order -> BlockFold -> Load partials.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from models.domain.load import DEFAULT_VARIANT, Load, PodGauge, ReplicaGauge
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.sketch import bucket

BLOCK_OFFSETS = 1 << 17
"""A block ends after this many offsets at the latest.  Part of the wire version."""

MAX_TENANTS = 64
"""Tenants counted apart in one partial; the rest are counted together as ``OTHER_TENANTS``."""

OTHER_TENANTS = "*"


class _Sums:
    """The mutable form of one partial."""

    __slots__ = (
        "dropped",
        "errors",
        "events",
        "finished",
        "latency",
        "latency_count",
        "latency_us",
        "pods",
        "reach",
        "replicas",
        "sent_us",
        "started",
        "started_s",
        "tenants",
        "tokens_in",
        "tokens_in_started",
        "tokens_out",
    )

    def __init__(self) -> None:
        self.reach = 0
        self.sent_us = 0
        self.events = 0
        self.started = 0
        self.finished = 0
        self.errors = 0
        self.dropped = 0
        self.latency_count = 0
        self.latency_us = 0
        self.latency: dict[int, int] = {}
        self.tokens_in_started = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.tenants: dict[str, int] = {}
        self.pods: dict[str, PodGauge] = {}
        self.replicas: dict[str, ReplicaGauge] = {}
        self.started_s: list[float] = []

    def add(self, event: Telemetry, offset: int) -> None:
        at_us = round(event.at * 1e6)
        self.reach = offset
        self.sent_us = max(self.sent_us, at_us)
        self.events += 1
        if isinstance(event, Request):
            self._request(event)
        elif isinstance(event, Resource):
            self._resource(event, at_us)
        else:
            self._replicas(event, at_us)

    def _request(self, event: Request) -> None:
        if event.phase == "started":
            self.started += 1
            if event.tokens_in is not UNSET:
                self.tokens_in_started += event.tokens_in
            return
        self.finished += 1
        if event.status == "error":
            self.errors += 1
        elif event.status == "dropped":
            self.dropped += 1
        if event.latency_s is not UNSET:
            latency_us = round(event.latency_s * 1e6)
            index = bucket(latency_us)
            self.latency_count += 1
            self.latency_us += latency_us
            self.latency[index] = self.latency.get(index, 0) + 1
        if event.tokens_in is not UNSET:
            self.tokens_in += event.tokens_in
        if event.tokens_out is not UNSET:
            self.tokens_out += event.tokens_out
        if event.tenant is not UNSET:
            tenants = self.tenants
            known = event.tenant in tenants or len(tenants) < MAX_TENANTS
            name = event.tenant if known else OTHER_TENANTS
            tenants[name] = tenants.get(name, 0) + 1

    def _resource(self, event: Resource, at_us: int) -> None:
        before = self.pods.get(event.pod)
        if before is not None and before.at_us > at_us:
            return
        self.pods[event.pod] = PodGauge(
            at_us=at_us,
            in_flight=None if event.in_flight is UNSET else event.in_flight,
            queue_depth=None if event.queue_depth is UNSET else event.queue_depth,
            cpu_cores=None if event.cpu_cores is UNSET else event.cpu_cores,
            memory_bytes=None if event.memory_bytes is UNSET else event.memory_bytes,
            gpu_ratio=None if event.gpu_ratio is UNSET else event.gpu_ratio,
            gpu_memory_bytes=None if event.gpu_memory_bytes is UNSET else event.gpu_memory_bytes,
            kv_cache_ratio=None if event.kv_cache_ratio is UNSET else event.kv_cache_ratio,
        )

    def _replicas(self, event: ReplicaReport, at_us: int) -> None:
        variant = DEFAULT_VARIANT if event.variant is UNSET else event.variant
        self.started_s.extend(event.started_s)
        before = self.replicas.get(variant)
        if before is None or before.at_us <= at_us:
            self.replicas[variant] = ReplicaGauge(
                at_us=at_us, desired=event.desired, ready=event.ready, starting=event.starting
            )

    def partial(self, workload: str, second: int, source: int, block: int) -> Load:
        return Load(
            workload=workload,
            second=second,
            source=source,
            block=block,
            reach=self.reach,
            sent_us=self.sent_us,
            events=self.events,
            started=self.started,
            finished=self.finished,
            errors=self.errors,
            dropped=self.dropped,
            latency_count=self.latency_count,
            latency_us=self.latency_us,
            latency=dict(self.latency),
            tokens_in_started=self.tokens_in_started,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            tenants=dict(self.tenants),
            pods=dict(self.pods),
            replicas=dict(self.replicas),
            started_s=tuple(self.started_s),
        )


class BlockFold:
    """Folds one telemetry partition.

    ``append`` every record in offset order, rejected ones too (with no events): blocks are cut
    by records, not by what is in them.  ``drain`` gives the partials that changed since the last
    drain; draining more or less often changes how many partials are sent, never a total.
    """

    def __init__(self, source: int) -> None:
        """``source`` is the telemetry partition."""
        self.source = source
        self.block: int | None = None
        """First offset of the open block; None before the first record."""
        self.position: int | None = None
        """The next offset to fold; None before the first record."""
        self._max_second = 0
        self._sums: dict[tuple[str, int], _Sums] = {}
        self._dirty: set[tuple[str, int]] = set()
        self._finished: list[Load] = []

    def append(self, offset: int, timestamp_ms: int, events: Iterable[Telemetry]) -> None:
        """Fold the events of one record.

        ``timestamp_ms`` is the record's own timestamp as the log has it (append time on Kafka);
        it is not mapped by any clock, because a block depends on the log alone.
        """
        second = timestamp_ms // 1000
        if self.block is None:
            self.block = offset
            self._max_second = second
        elif second > self._max_second or offset - self.block >= BLOCK_OFFSETS:
            self._finish()
            self.block = offset
            self._max_second = max(second, self._max_second)
        self.position = offset + 1
        for event in events:
            key = (event.workload, int(event.at))
            sums = self._sums.get(key)
            if sums is None:
                sums = self._sums[key] = _Sums()
            sums.add(event, offset)
            self._dirty.add(key)

    def drain(self) -> list[Load]:
        """Partials that changed since the last drain, those of finished blocks first."""
        drained = [*self._finished, *self._changed()]
        self._finished = []
        self._dirty.clear()
        return drained

    def _finish(self) -> None:
        self._finished.extend(self._changed())
        self._dirty.clear()
        self._sums.clear()

    def _changed(self) -> list[Load]:
        block = self.block
        if block is None:
            return []
        # Sorted, so that what is sent is a function of the log and not of hashing.
        return [self._sums[key].partial(*key, self.source, block) for key in sorted(self._dirty)]
