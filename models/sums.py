"""Sums: the mutable form of one partial, a workload's second in one block.

Rule: sums are integers, so that any order of adding gives the same; of gauges the newest stays.
Flow: groups of columns, or single events -> Sums -> Load.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from models.domain.load import DEFAULT_VARIANT, Load, PodGauge, ReplicaGauge
from models.domain.telemetry import ReplicaReport, Resource

MAX_TENANTS = 64
"""Tenants counted apart in one partial; the rest are counted together as ``OTHER_TENANTS``."""

OTHER_TENANTS = "*"


class Sums:
    """See the module's text; counts are as in ``Load``."""

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
        "sessions",
        "started",
        "started_of",
        "started_s",
        "tenants",
        "tokens_in",
        "tokens_in_started",
        "tokens_out",
    )

    def __init__(self) -> None:
        """Nothing yet."""
        self.reach = 0
        self.sent_us = 0
        self.events = 0
        self.started = 0
        self.sessions = 0
        self.finished = 0
        self.errors = 0
        self.dropped = 0
        self.latency_count = 0
        self.latency_us = 0
        self.latency: dict[int, int] | None = None
        """By bucket.  What is here is never changed, as partials have it too."""
        self.tokens_in_started = 0
        self.tokens_in = 0
        self.tokens_out = 0
        # Most have none of these, and there may be a hundred thousand of them.
        self.tenants: dict[str, int] | None = None
        self.pods: dict[str, PodGauge] | None = None
        self.replicas: dict[str, ReplicaGauge] | None = None
        self.started_s: tuple[float, ...] = ()
        self.started_of: tuple[str, ...] = ()

    def add_other(self, event: Resource | ReplicaReport, offset: int) -> None:
        """Add an event that is no request."""
        at_us = round(event.at * 1e6)
        self.reach = max(self.reach, offset)
        self.sent_us = max(self.sent_us, at_us)
        self.events += 1
        if isinstance(event, Resource):
            self._resource(event, at_us)
        else:
            self._replicas(event, at_us)

    def add_tenant(self, tenant: str, count: int) -> None:
        """Count finished requests of a tenant: the first ``MAX_TENANTS`` have names."""
        if self.tenants is None:
            self.tenants = {}
        tenants = self.tenants
        known = tenant in tenants or len(tenants) < MAX_TENANTS
        name = tenant if known else OTHER_TENANTS
        tenants[name] = tenants.get(name, 0) + count

    def add_latencies(self, buckets: Sequence[int], counts: Sequence[int]) -> None:
        """Count latencies by bucket; no bucket comes twice."""
        latency = dict(zip(buckets, counts, strict=True))
        for bucket, count in self.latency.items() if self.latency else ():
            latency[bucket] = latency.get(bucket, 0) + count
        self.latency = latency

    def _resource(self, event: Resource, at_us: int) -> None:
        if self.pods is None:
            self.pods = {}
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
        if event.started_s:
            self.started_s += event.started_s
            self.started_of += (variant,) * len(event.started_s)
        if self.replicas is None:
            self.replicas = {}
        before = self.replicas.get(variant)
        if before is None or before.at_us <= at_us:
            self.replicas[variant] = ReplicaGauge(
                at_us=at_us, desired=event.desired, ready=event.ready, starting=event.starting
            )

    def partial(self, workload: str, second: int, source: int, block: int) -> Load:
        """What has been added so far."""
        return Load(
            workload=workload,
            second=second,
            source=source,
            block=block,
            reach=self.reach,
            sent_us=self.sent_us,
            events=self.events,
            started=self.started,
            sessions=self.sessions,
            finished=self.finished,
            errors=self.errors,
            dropped=self.dropped,
            latency_count=self.latency_count,
            latency_us=self.latency_us,
            latency={} if self.latency is None else self.latency,
            tokens_in_started=self.tokens_in_started,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            tenants=dict(self.tenants or ()),
            pods=dict(self.pods or ()),
            replicas=dict(self.replicas or ()),
            started_s=self.started_s,
            started_of=self._of(),
        )

    def _of(self) -> tuple[str, ...]:
        named = any(variant != DEFAULT_VARIANT for variant in self.started_of)
        return self.started_of if named else ()
