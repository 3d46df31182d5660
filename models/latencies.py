"""Latencies: how long requests took in the last minute and a half, by slots of ten seconds.

Rule: counts only grow by differences, so that the order of partials is no matter; what is older
than a minute is dropped; all slots but the newest are packed, and opened again for late partials.
Flow: Window.add -> Latencies -> Effect, Learner, by_latency.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import sub

SLOT_S = 10
"""Latencies are held by slots of so many seconds."""

LATENCY_S = 60
"""Seconds that latencies are held for, in slots."""

_SLOTS = LATENCY_S // SLOT_S

_FEW_BITS, _COUNT_BITS = 20, 40
"""Of a count in a packed bucket; above them is the bucket's index, which has less than 12."""

_NARROW = "I"

LatenciesState = dict[int, tuple[list[int], list[int]]]
"""By slot: how far each bucket is above the one before, in order, and the count of each."""


class Latencies:
    """Sketches (``models.sketch``) of one workload: slot -> bucket -> count."""

    __slots__ = ("_slots",)

    def __init__(self, state: LatenciesState | None = None) -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        self._slots: dict[int, dict[int, int] | array[int]] = {}
        """All but the newest slot as packed integers."""
        for slot, (gaps, counts) in (state or {}).items():
            if len(gaps) != len(counts):
                raise ValueError(f"{len(gaps)} buckets and {len(counts)} counts of latencies")
            self._slots[slot] = dict(zip(accumulate(gaps), counts, strict=True))

    def add(
        self, slot: int, newest: int, latency: Mapping[int, int], before: Mapping[int, int]
    ) -> None:
        """Count what ``latency`` has more than ``before``; ``newest`` slot heard of."""
        if slot < newest - _SLOTS:
            return
        counts = self._slots.get(slot)
        if not isinstance(counts, dict):
            counts = self._slots[slot] = {} if counts is None else _unpacked(counts)
        for index, count in latency.items():
            more = count - before.get(index, 0)
            if more:
                counts[index] = counts.get(index, 0) + more

    def move(self, slot: int) -> None:
        """``slot`` is the newest from now on: pack what is before it, drop what is too old."""
        oldest = slot - _SLOTS
        for at in list(self._slots):
            if at < oldest:
                del self._slots[at]
            elif at < slot:
                self._slots[at] = _packed(self._slots[at])

    def of(self, slot: int) -> dict[int, int]:
        """The sketch of one slot; empty: nothing ended in it, or it is no longer held."""
        counts = self._slots.get(slot)
        return {} if counts is None else _unpacked(counts)

    def since(self, slot: int) -> dict[int, int]:
        """The sketch of ``slot`` and all later ones."""
        merged: dict[int, int] = {}
        for at, counts in self._slots.items():
            if at >= slot:
                for index, count in _unpacked(counts).items():
                    merged[index] = merged.get(index, 0) + count
        return merged

    def slower(self, slot: int, limits: Sequence[int]) -> list[int]:
        """How many of a slot lie in buckets above each of ``limits``."""
        counts = self._slots.get(slot)
        if counts is None:
            return [0] * len(limits)
        if isinstance(counts, dict):
            return [sum(n for at, n in counts.items() if at > limit) for limit in limits]
        bits = _FEW_BITS if counts.typecode == _NARROW else _COUNT_BITS
        mask = (1 << bits) - 1
        tails = (counts[bisect_left(counts, (limit + 1) << bits) :] for limit in limits)
        return [sum([value & mask for value in tail]) for tail in tails]

    def state(self) -> LatenciesState:
        """All of it."""
        found: LatenciesState = {}
        for slot, held in self._slots.items():
            buckets, counts = _columns(held)
            found[slot] = list(map(sub, buckets, [0, *buckets])), counts
        return found


def _packed(counts: dict[int, int] | array[int]) -> array[int]:
    """In 4 bytes a bucket where its counts are small, else in 8; sorted by bucket."""
    if isinstance(counts, array):
        return counts
    small = max(counts.values(), default=0) < 1 << _FEW_BITS
    bits = _FEW_BITS if small else _COUNT_BITS
    form = _NARROW if small else "Q"
    return array(form, [index << bits | counts[index] for index in sorted(counts)])


def _columns(counts: dict[int, int] | array[int]) -> tuple[list[int], list[int]]:
    """Buckets in order, and their counts."""
    if isinstance(counts, dict):
        buckets = sorted(counts)
        return buckets, [counts[index] for index in buckets]
    bits = _FEW_BITS if counts.typecode == _NARROW else _COUNT_BITS
    mask = (1 << bits) - 1
    return [value >> bits for value in counts], [value & mask for value in counts]


def _unpacked(counts: dict[int, int] | array[int]) -> dict[int, int]:
    return counts if isinstance(counts, dict) else dict(zip(*_columns(counts), strict=True))
