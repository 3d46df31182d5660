"""Blocks: events of one telemetry partition folded into partials, exact under any redelivery.

Rule: a block is a run of offsets fixed by the log alone, so whoever folds it again, from its
start, gets the same partials; a partial is cumulative in its block (docs/design.md, "Blocks").
Flow: columns of decoded events in offset order -> BlockFold -> Load partials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import UNSET

from models import sketch
from models.columns import NOBODY, UNSAID, Columns, Ints
from models.domain.load import DEFAULT_VARIANT, Load, PodGauge, ReplicaGauge
from models.domain.telemetry import ReplicaReport, Resource

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

    def add_other(self, event: Resource | ReplicaReport, offset: int) -> None:
        at_us = round(event.at * 1e6)
        self.reach = max(self.reach, offset)
        self.sent_us = max(self.sent_us, at_us)
        self.events += 1
        if isinstance(event, Resource):
            self._resource(event, at_us)
        else:
            self._replicas(event, at_us)

    def add_tenant(self, tenant: str, count: int) -> None:
        tenants = self.tenants
        known = tenant in tenants or len(tenants) < MAX_TENANTS
        name = tenant if known else OTHER_TENANTS
        tenants[name] = tenants.get(name, 0) + count

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

    ``fold`` every record in offset order, rejected ones too (with no events): blocks are cut
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

    def fold(self, offsets: Ints, seconds: Ints, columns: Columns) -> None:
        """Fold messages in the order of the log.

        ``offsets`` and ``seconds`` have one value per message: its offset, and the second of its
        own timestamp in the log (the append time on Kafka), which no clock has mapped: a block
        depends on the log alone.  ``columns.message`` indexes them.

        Raises ``ValueError`` when an offset was folded before: the events would count twice.
        """
        if self.position is not None and len(offsets) and offsets[0] < self.position:
            msg = f"offset {offsets[0]} of source {self.source} again, {self.position} is next"
            raise ValueError(msg)
        begin, count = 0, len(offsets)
        while begin < count:
            if self.block is None:
                self._open(int(offsets[begin]), int(seconds[begin]))
            end = self._end(offsets, seconds, begin)
            if end == begin:
                self._finish()
                self._open(int(offsets[begin]), max(int(seconds[begin]), self._max_second))
                continue
            self._fold(offsets, columns, begin, end)
            begin = end
        if count:
            self.position = int(offsets[-1]) + 1

    def _open(self, offset: int, second: int) -> None:
        self.block = offset
        self._max_second = second

    def _end(self, offsets: Ints, seconds: Ints, begin: int) -> int:
        """Index of the first message from ``begin`` on that does not belong to the open block."""
        end = int(np.searchsorted(offsets, (self.block or 0) + BLOCK_OFFSETS))
        newer = seconds[begin:end] > self._max_second
        return begin + int(newer.argmax()) if newer.any() else max(end, begin)

    def _fold(self, offsets: Ints, columns: Columns, begin: int, end: int) -> None:
        """Fold the events of messages ``begin`` to ``end`` into the open block."""
        first, last = np.searchsorted(columns.message, (begin, end)).tolist()
        if first < last:
            self._requests(offsets, columns, slice(first, last))
        for message, event in columns.others:
            if begin <= message < end:
                key = (event.workload, int(event.at))
                self._of(key).add_other(event, int(offsets[message]))
                self._dirty.add(key)

    def _requests(self, offsets: Ints, columns: Columns, part: slice) -> None:
        """Fold requests group by group: a group is one workload in one second."""
        at = columns.at[part]
        seconds = at.astype(np.int64)
        base = int(seconds.min())
        span = int(seconds.max()) - base + 1
        keys, group = np.unique(
            columns.workload[part] * span + (seconds - base), return_inverse=True
        )
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(len(keys)))

        def total(values: Ints) -> list[int]:
            found: list[int] = np.add.reduceat(values[order], starts).tolist()
            return found

        n = len(at)
        ones = np.ones(n, np.int64)
        begun = np.zeros(n, np.int64)
        if columns.started is not None:
            begun = columns.started[part].astype(np.int64)
        ended = ones - begun
        failed = dropped = [0] * len(keys)
        if columns.failed is not None:
            failed, dropped = (total(flag[part] * ended) for flag in columns.failed)
        latency_s, tokens_in = columns.latency_s[part], columns.tokens_in[part]
        tokens_out = columns.tokens_out[part]
        timed = (latency_s != UNSAID) & (ended == 1)
        latency_us = np.rint(np.where(timed, latency_s, 0.0) * 1e6).astype(np.int64)
        prompt = np.where(tokens_in != UNSAID, tokens_in, 0)
        written = np.where(tokens_out != UNSAID, tokens_out, 0)
        at_us = np.rint(at * 1e6).astype(np.int64)
        rows = zip(
            [columns.names[code] for code in (keys // span).tolist()],
            (keys % span + base).tolist(),
            np.maximum.reduceat(offsets[columns.message[part]][order], starts).tolist(),
            np.maximum.reduceat(at_us[order], starts).tolist(),
            total(ones),
            total(begun),
            failed,
            dropped,
            total(timed.astype(np.int64)),
            total(latency_us),
            total(prompt * begun),
            total(prompt * ended),
            total(written * ended),
            strict=True,
        )
        touched: list[_Sums] = []
        for name, second, reach, sent_us, count, began, bad, gone, n_us, us, p0, p1, w in rows:
            key = (name, second)
            sums = self._of(key)
            touched.append(sums)
            self._dirty.add(key)
            sums.reach = max(sums.reach, reach)
            sums.sent_us = max(sums.sent_us, sent_us)
            sums.events += count
            sums.started += began
            sums.finished += count - began
            sums.errors += bad
            sums.dropped += gone
            sums.latency_count += n_us
            sums.latency_us += us
            sums.tokens_in_started += p0
            sums.tokens_in += p1
            sums.tokens_out += w
        _sketch(touched, group[timed], latency_us[timed])
        if columns.tenants is not None:
            _tenants(touched, group, ended, columns.tenants[part])

    def _of(self, key: tuple[str, int]) -> _Sums:
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = _Sums()
        return sums

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


def _sketch(touched: list[_Sums], group: Ints, latency_us: Ints) -> None:
    """Count latencies into the groups' buckets."""
    size = sketch.BUCKETS
    pairs, counts = np.unique(group * size + sketch.buckets(latency_us), return_counts=True)
    whose, index = np.divmod(pairs, size)
    for number, at, count in zip(whose.tolist(), index.tolist(), counts.tolist(), strict=True):
        latency = touched[number].latency
        latency[at] = latency.get(at, 0) + count


def _tenants(touched: list[_Sums], group: Ints, ended: Ints, tenants: Sequence[str]) -> None:
    """Count tenants in the order they first came: the first ``MAX_TENANTS`` have names."""
    pairs = Counter(zip(group.tolist(), tenants, ended.tolist(), strict=True))
    for (number, tenant, finished), count in pairs.items():
        if finished and tenant is not NOBODY:
            touched[number].add_tenant(tenant, count)
