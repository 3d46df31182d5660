"""Groups: requests of one workload in one second, summed together.

Rule: exact integers, in one pass and without sorting by group; tenants in the order they came.
Flow: Columns -> groups -> Sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import sketch
from models.columns import NOBODY, UNSAID, Columns, Ints
from models.sums import Sums

Key = tuple[str, int]
"""Workload and second."""

_DENSE = 1 << 18
"""Keys numbered by a table of all that are possible, when these are no more."""


@dataclass(frozen=True, slots=True)
class Part:
    """Requests of some messages: ``rows`` of ``columns``; ``offsets`` are of all its messages."""

    offsets: Ints
    columns: Columns
    rows: slice

    def __len__(self) -> int:
        """Number of requests."""
        return int(self.rows.stop - self.rows.start)

    def numbered_as(self, other: Part) -> bool:
        """Whether names have the same numbers as in ``other``."""
        mine, its = self.columns, other.columns
        return mine.names is its.names and mine.tenants is its.tenants

    def column(self, name: str) -> NDArray[Any]:
        """A column of these rows."""
        found: NDArray[Any] = getattr(self.columns, name)[self.rows]
        return found

    def reaches(self) -> Ints:
        """The offset of each request."""
        found: Ints = self.offsets[self.column("message")]
        return found

    def tenant(self) -> Ints:
        """The tenant's number of each."""
        if self.columns.tenant is None:
            return np.full(len(self), NOBODY, np.int64)
        return self.columns.tenant[self.rows]


class _Totals:
    """Sums and maxima by group, of columns with one row a request."""

    def __init__(self, group: Ints, count: int) -> None:
        self._group = group
        self._count = count

    def sum(self, values: Ints | int) -> list[int]:
        sums = np.zeros(self._count, np.int64)
        np.add.at(sums, self._group, values)
        return sums.tolist()

    def newest(self, values: Ints) -> list[int]:
        most = np.zeros(self._count, np.int64)
        np.maximum.at(most, self._group, values)
        return most.tolist()


def add_requests(parts: Sequence[Part], sums_of: Callable[[Key], Sums]) -> list[Key]:
    """Add requests to the sums of their groups, and say which groups these are.

    Parts are numbered alike and in the order of the log; at least one, and none of them empty.
    """

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([part.column(name) for part in parts])

    at, names = column("at"), parts[0].columns.names
    codes, seconds, group = _grouped(column("workload"), at.astype(np.int64))
    keys = [(names[code], second) for code, second in zip(codes, seconds, strict=True)]
    touched = [sums_of(key) for key in keys]
    totals = _Totals(group, len(keys))
    nothing = [0] * len(keys)
    begun = _flags(parts, "started")
    ended = None if begun is None else 1 - begun
    prompt, written = _said(column("tokens_in")), _said(column("tokens_out"))
    latency_us = np.rint(column("latency_s") * 1e6).astype(np.int64)
    timed = latency_us >= 0
    if begun is not None and ended is not None:
        timed &= ended == 1
    opens = _flags(parts, "opens")
    opened = nothing if begun is None or opens is None else totals.sum(opens * begun)
    started_with = nothing if begun is None else totals.sum(prompt * begun)
    if ended is not None:
        prompt, written = prompt * ended, written * ended
    errors, dropped = (
        nothing if flags is None else totals.sum(flags if ended is None else flags * ended)
        for flags in (_flags(parts, "failed", 0), _flags(parts, "failed", 1))
    )
    whose, latency_us = (group, latency_us) if timed.all() else (group[timed], latency_us[timed])
    timings = _Totals(whose, len(keys))
    rows = zip(
        touched,
        totals.newest(np.concatenate([part.reaches() for part in parts])),
        totals.newest(np.rint(at * 1e6).astype(np.int64)),
        totals.sum(1),
        nothing if begun is None else totals.sum(begun),
        opened,
        errors,
        dropped,
        timings.sum(1),
        timings.sum(latency_us),
        started_with,
        totals.sum(prompt),
        totals.sum(written),
        strict=True,
    )
    for sums, reach, sent_us, count, began, new, bad, gone, n_us, us, p0, p1, w in rows:
        sums.reach = max(sums.reach, reach)
        sums.sent_us = max(sums.sent_us, sent_us)
        sums.events += count
        sums.started += began
        sums.sessions += new
        sums.finished += count - began
        sums.errors += bad
        sums.dropped += gone
        sums.latency_count += n_us
        sums.latency_us += us
        sums.tokens_in_started += p0
        sums.tokens_in += p1
        sums.tokens_out += w
    _sketch(touched, whose, latency_us)
    if any(part.columns.tenant is not None for part in parts):
        tenant = np.concatenate([part.tenant() for part in parts])
        counted = tenant != NOBODY if ended is None else (tenant != NOBODY) & (ended == 1)
        _tenants(touched, group[counted], tenant[counted], parts[0].columns.tenants)
    return keys


def _grouped(workload: Ints, seconds: Ints) -> tuple[list[int], list[int], Ints]:
    """Workload and second of each group, and each request's group."""
    base = int(seconds.min())
    span = int(seconds.max()) - base + 1
    if span > _DENSE:  # Wrong clocks: only the seconds that there are.
        distinct, second = np.unique(seconds, return_inverse=True)
    else:
        distinct, second = np.arange(base, base + span), seconds - base
    key = workload * len(distinct) + second
    possible = (int(workload.max()) + 1) * len(distinct)
    if possible > _DENSE:
        keys, group = np.unique(key, return_inverse=True)
    else:
        numbers = np.zeros(possible, np.int64)
        numbers[key] = 1
        keys = np.flatnonzero(numbers)
        numbers[keys] = np.arange(len(keys))
        group = numbers[key]
    codes, which = np.divmod(keys, len(distinct))
    return codes.tolist(), distinct[which].tolist(), group


def _said(values: Ints) -> Ints:
    return np.where(values == UNSAID, 0, values)


def _flags(parts: Sequence[Part], name: str, side: int | None = None) -> Ints | None:
    """A column of truths as zeros and ones; None: all are zero."""
    columns = [getattr(part.columns, name) for part in parts]
    if all(column is None for column in columns):
        return None
    if side is not None:
        columns = [None if column is None else column[side] for column in columns]
    return np.concatenate(
        [
            np.zeros(len(part), np.int64) if column is None else column[part.rows].astype(np.int64)
            for part, column in zip(parts, columns, strict=True)
        ]
    )


def _sketch(touched: Sequence[Sums], group: Ints, latency_us: Ints) -> None:
    """Count latencies into the groups' buckets."""
    size = sketch.BUCKETS
    pairs, counts = np.unique(group * size + sketch.buckets(latency_us), return_counts=True)
    whose, bucket = np.divmod(pairs, size)
    begins = np.searchsorted(whose, np.arange(len(touched) + 1)).tolist()
    buckets, numbers = bucket.tolist(), counts.tolist()
    for sums, begin, end in zip(touched, begins, begins[1:], strict=False):
        if begin < end:
            sums.add_latencies(buckets[begin:end], numbers[begin:end])


def _tenants(touched: Sequence[Sums], group: Ints, tenant: Ints, names: Sequence[str]) -> None:
    """Count tenants, of each group in the order in which they first came."""
    pairs = group * len(names) + tenant
    distinct, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    order = np.argsort(first)
    whose, which = np.divmod(distinct[order], len(names))
    for number, code, count in zip(
        whose.tolist(), which.tolist(), counts[order].tolist(), strict=True
    ):
        touched[number].add_tenant(names[code], count)
