"""Sums: the mutable form of one partial, a workload's second in one block.

Rule: sums are integers, so that any order of adding gives the same; of gauges the newest stays.
Counted a second time, by variant, is only what is of several; variants have parts in the order in
which the log first names them, however it is cut.
Flow: groups of columns, or single events -> Sums -> Load.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from models.counts import Counts, PartCounts
from models.domain.load import DEFAULT_VARIANT, MAX_VARIANTS, Load, Part, PodGauge, ReplicaGauge
from models.domain.telemetry import ReplicaReport, Resource

MAX_TENANTS = 64
"""Tenants counted apart in one partial; the rest are counted together as ``OTHER_TENANTS``."""

OTHER_TENANTS = "*"


class Sums(Counts):
    """See the module's text; counts are as in ``Load``.

    ``variant`` is that of all requests and pods so far; None: there are none yet; "": they name
    none, or there are ``parts``.  ``place`` is of the pod that named it first, else 0
    (``PartCounts``).
    """

    __slots__ = (
        "events",
        "parts",
        "place",
        "reach",
        "replicas",
        "sent_us",
        "started_of",
        "started_s",
        "tenants",
        "variant",
    )

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__()
        self.reach = 0
        self.sent_us = 0
        self.events = 0
        # Most have none of these, and there may be a hundred thousand of them.
        self.tenants: dict[str, int] | None = None
        self.replicas: dict[str, ReplicaGauge] | None = None
        self.started_s: tuple[float, ...] = ()
        self.started_of: tuple[str, ...] = ()
        self.variant: str | None = None
        self.place = 0
        self.parts: dict[str, PartCounts] | None = None

    def add_other(self, event: Resource | ReplicaReport, offset: int) -> None:
        """Add an event that is no request."""
        at_us = round(event.at * 1e6)
        self.reach = max(self.reach, offset)
        self.sent_us = max(self.sent_us, at_us)
        self.events += 1
        if isinstance(event, Resource):
            self._resource(event, at_us, 2 * offset + 1)
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

    def meet(self, variant: str | None) -> bool:
        """Whether requests about to be added must be added to parts as well.

        ``variant`` is theirs; "": they name none; None: they do not all name the same.
        """
        if self.parts is None:
            if variant is not None and self.variant in (None, variant):
                self.variant = variant
                return False
            self._divide()
        return variant != ""

    def name(self, places: Mapping[str, int]) -> None:
        """Have parts of the variants that requests about to be added name, by their places.

        ``places`` are in the order of the log, also within a message.  They may come before
        others that were added already: of all, the first have parts.
        """
        parts = self.parts or {}
        found = {
            name: place
            for name, place in places.items()
            if name not in parts or place < parts[name].place
        }
        for name, part in parts.items():  # Of one place, each kind is in its order.
            found.setdefault(name, part.place)
        self.parts = {}
        for name in sorted(found, key=found.__getitem__)[:MAX_VARIANTS]:
            part = self.parts[name] = parts.get(name) or PartCounts(found[name])
            part.place = found[name]

    def _parts(self, parts: dict[str, PartCounts]) -> dict[str, Part]:
        """The first so many; the others are forgotten, as no more is to come from before."""
        if len(parts) > MAX_VARIANTS:
            first = sorted(parts, key=lambda name: parts[name].place)[:MAX_VARIANTS]
            parts = self.parts = {name: parts[name] for name in first}
        return {name: part.part() for name, part in parts.items()}

    def _divide(self) -> None:
        """Tell variants apart from now on; what there is so far is of one."""
        self.parts = {self.variant: PartCounts.of(self, self.place)} if self.variant else {}
        self.variant = ""

    def _resource(self, event: Resource, at_us: int, place: int) -> None:
        variant = "" if event.variant is UNSET else event.variant
        if self.variant is None:
            self.variant, self.place = variant, place
        elif self.parts is None and self.variant != variant:
            self._divide()
        gauge = _gauge(event, at_us)
        self.see(event.pod, gauge)
        if self.parts is not None and variant:
            # Even one too many: requests from before, yet to be added, may name it.
            part = self.parts.get(variant)
            if part is None:
                part = self.parts[variant] = PartCounts(place)
            part.see(event.pod, gauge)

    def _replicas(self, event: ReplicaReport, at_us: int) -> None:
        variant = DEFAULT_VARIANT if event.variant is UNSET else event.variant or DEFAULT_VARIANT
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
        """What has been added so far; all that the log has before it must have been."""
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
            variant=self.variant or "",
            variants={} if self.parts is None else self._parts(self.parts),
        )

    def _of(self) -> tuple[str, ...]:
        named = any(variant != DEFAULT_VARIANT for variant in self.started_of)
        return self.started_of if named else ()


def _gauge(event: Resource, at_us: int) -> PodGauge:
    return PodGauge(
        at_us=at_us,
        in_flight=None if event.in_flight is UNSET else event.in_flight,
        queue_depth=None if event.queue_depth is UNSET else event.queue_depth,
        cpu_cores=None if event.cpu_cores is UNSET else event.cpu_cores,
        memory_bytes=None if event.memory_bytes is UNSET else event.memory_bytes,
        gpu_ratio=None if event.gpu_ratio is UNSET else event.gpu_ratio,
        gpu_memory_bytes=None if event.gpu_memory_bytes is UNSET else event.gpu_memory_bytes,
        kv_cache_ratio=None if event.kv_cache_ratio is UNSET else event.kv_cache_ratio,
        sessions=None if event.sessions is UNSET else event.sessions,
    )
