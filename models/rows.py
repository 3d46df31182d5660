"""Rows: what is counted of requests, side by side, and summed by group.

Rule: exact integers, in one pass and without sorting by group.
Flow: Columns -> Part -> Rows -> Counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import sketch
from models.columns import NOBODY, UNSAID, Columns, Ints
from models.counts import Counts


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
        return (
            mine.names is its.names
            and mine.tenants is its.tenants
            and mine.variants is its.variants
        )

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
        return self._named(self.columns.tenant)

    def variant(self) -> Ints:
        """The variant's number of each."""
        return self._named(self.columns.variant)

    def _named(self, column: Ints | None) -> Ints:
        return np.full(len(self), NOBODY, np.int64) if column is None else column[self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is counted of requests; None: of none, but ``ended``: all of them have."""

    group: Ints
    begun: Ints | None
    ended: Ints | None
    opened: Ints | None
    errors: Ints | None
    dropped: Ints | None
    latency_us: Ints
    """Negative where there is none to count."""
    started_with: Ints | None
    prompt: Ints
    written: Ints

    def some(self, chosen: Ints, group: Ints) -> Rows:
        """Some of the requests, in other groups."""

        def of(column: Ints | None) -> Ints | None:
            return None if column is None else column[chosen]

        return Rows(
            group=group,
            begun=of(self.begun),
            ended=of(self.ended),
            opened=of(self.opened),
            errors=of(self.errors),
            dropped=of(self.dropped),
            latency_us=self.latency_us[chosen],
            started_with=of(self.started_with),
            prompt=self.prompt[chosen],
            written=self.written[chosen],
        )

    def add_to(self, touched: Sequence[Counts]) -> list[int]:
        """Add to what each group is; the number of requests in each."""
        totals, nothing = Totals(self.group, len(touched)), [0] * len(touched)

        def sums(column: Ints | None) -> list[int]:
            return nothing if column is None else totals.sum(column)

        timed = self.latency_us >= 0
        whose, latency_us = self.group, self.latency_us
        if not timed.all():
            whose, latency_us = whose[timed], latency_us[timed]
        timings = Totals(whose, len(touched))
        requests = totals.sum(1)
        rows = zip(
            touched,
            requests,
            sums(self.begun),
            sums(self.opened),
            sums(self.errors),
            sums(self.dropped),
            timings.sum(1),
            timings.sum(latency_us),
            sums(self.started_with),
            sums(self.prompt),
            sums(self.written),
            strict=True,
        )
        for counts, count, began, new, bad, gone, n_us, us, p0, p1, w in rows:
            counts.started += began
            counts.sessions += new
            counts.finished += count - began
            counts.errors += bad
            counts.dropped += gone
            counts.latency_count += n_us
            counts.latency_us += us
            counts.tokens_in_started += p0
            counts.tokens_in += p1
            counts.tokens_out += w
        _sketch(touched, whose, latency_us)
        return requests


def rows_of(parts: Sequence[Part], group: Ints) -> Rows:
    """What is counted of the requests of parts, whose groups these are."""

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([part.column(name) for part in parts])

    begun, opens = _flags(parts, "started"), _flags(parts, "opens")
    errors, dropped = (_flags(parts, "failed", side) for side in (0, 1))
    prompt, written = _said(column("tokens_in")), _said(column("tokens_out"))
    latency_us = np.rint(column("latency_s") * 1e6).astype(np.int64)
    ended = started_with = None
    if begun is not None:
        ended = 1 - begun
        latency_us[begun == 1] = UNSAID
        started_with = prompt * begun
        prompt, written = prompt * ended, written * ended
        errors, dropped = (None if flags is None else flags * ended for flags in (errors, dropped))
    return Rows(
        group=group,
        begun=begun,
        ended=ended,
        opened=None if begun is None or opens is None else opens * begun,
        errors=errors,
        dropped=dropped,
        latency_us=latency_us,
        started_with=started_with,
        prompt=prompt,
        written=written,
    )


class Totals:
    """Sums and maxima by group, of columns with one row a request."""

    def __init__(self, group: Ints, count: int) -> None:
        """``group`` is each row's, of ``count`` groups."""
        self._group = group
        self._count = count

    def sum(self, values: Ints | int) -> list[int]:
        """By group."""
        sums = np.zeros(self._count, np.int64)
        np.add.at(sums, self._group, values)
        return sums.tolist()

    def newest(self, values: Ints) -> list[int]:
        """By group, at least 0."""
        most = np.zeros(self._count, np.int64)
        np.maximum.at(most, self._group, values)
        return most.tolist()


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


def _sketch(touched: Sequence[Counts], group: Ints, latency_us: Ints) -> None:
    """Count latencies into the groups' buckets."""
    size = sketch.BUCKETS
    pairs, counts = np.unique(group * size + sketch.buckets(latency_us), return_counts=True)
    whose, bucket = np.divmod(pairs, size)
    begins = np.searchsorted(whose, np.arange(len(touched) + 1)).tolist()
    buckets, numbers = bucket.tolist(), counts.tolist()
    for sums, begin, end in zip(touched, begins, begins[1:], strict=False):
        if begin < end:
            sums.add_latencies(buckets[begin:end], numbers[begin:end])
