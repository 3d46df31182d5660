"""Relation: load per ready replica, in one unit, and the share of requests slower than the SLO.

Rule: at most ``BINS`` bins of load, each 8 % wider than the one before; counts fade, so that
what was seen half a life ago is half as true.  More load never means fewer slow requests: what
is fine at a load proves all lower loads, what is not, convicts all higher ones.
Flow: Learner -> Relation.
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_left
from typing import Any

from msgspec import Struct

from models.capacity.isotonic import isotonic, lower, upper

BINS = 20
"""Of a ratio of 1.08 each: together a range of 4.7 to 1."""

_RATIO = 1.08
_PER_LOG = 1 / math.log(_RATIO)
_LEAST = 1e-6
"""Loads below this are none: nobody asked for anything."""

_GONE = 0.5
"""Less than half a request is forgotten."""

_SPAN = 1.3
_MOST_FLOOR = 0.2
"""A floor is looked for over a range of loads of 1.3 to 1; a fifth of slow requests is no floor but
an overload."""

_REFERENCE = 300.0
"""Requests before what was learned at a load is held against anything."""


class RelationState(Struct, frozen=True, array_like=True):
    """A relation as a snapshot has it: bins in order, numbers as little-endian bytes."""

    bins: bytes
    count: bytes
    over: bytes
    pace: bytes


class Judged(Struct, frozen=True, array_like=True):
    """What a relation says of a budget: loads, None where unknown.

    ``floor`` is the share that is slow at any load, 0 where the budget can be kept; the budget is
    then what load may add to it.
    """

    fine: float | None
    broken: float | None
    floor: float


class Relation:
    """Evidence by load.  Counts are requests, faded; ``pace`` is the mean of ln(latency in s)."""

    __slots__ = ("bins", "count", "over", "pace")

    def __init__(self) -> None:
        """Nothing has been seen."""
        self.bins: array[int] = array("h")
        self.count: array[float] = array("f")
        self.over: array[float] = array("f")
        self.pace: array[float] = array("f")

    def add(self, load: float, count: float, over: float, pace: float) -> None:
        """``over`` of ``count`` requests were slow at ``load`` per replica; ``count`` above 0."""
        if load < _LEAST:
            return
        at = self._place(_bin(load), slow=over > 0)
        if at is None:
            return
        total = self.count[at] + count
        self.pace[at] += (pace - self.pace[at]) * count / total
        self.count[at] = total
        self.over[at] += over

    def fade(self, by: float) -> None:
        """Keep ``by`` (0 to 1) of all evidence; what is left of a bin may be nothing."""
        for at in range(len(self.bins) - 1, -1, -1):
            self.count[at] *= by
            self.over[at] *= by
            if self.count[at] < _GONE:
                self._drop(at)

    def judged(self, budget: float) -> Judged:
        """Where the share slow is surely within ``budget``, and where it surely is not."""
        broken = self.broken(budget)
        floor = 0.0 if broken is None else self.floor(budget)
        if floor:
            broken = self.broken(budget + floor)
        return Judged(self.proven(budget + floor), broken, floor)

    def proven(self, budget: float) -> float | None:
        """The highest load at which the share slow is surely within ``budget``; None: unknown.

        Sure is the upper bound of the bin and those above it, which can only be worse; as many of
        them as make it best.
        """
        over = count = 0.0
        best = 1.0
        for at in range(len(self.bins) - 1, -1, -1):
            alone = upper(self.over[at], self.count[at])
            over, count = over + self.over[at], count + self.count[at]
            joined = upper(over, count)
            best = min(alone, joined)
            if alone < joined:
                over, count = self.over[at], self.count[at]
            if best <= budget:
                return self._crossing(at, budget, best)
        return None

    def broken(self, budget: float) -> float | None:
        """The lowest load at which the share slow is surely over ``budget``; None: unknown.

        Sure is the lower bound of the bin and those below it, which can only be better.
        """
        over = count = 0.0
        for at, number in enumerate(self.bins):
            if not over and not self.over[at]:
                continue
            alone = lower(self.over[at], self.count[at])
            over, count = over + self.over[at], count + self.count[at]
            joined = lower(over, count)
            if max(alone, joined) > budget:
                return _load(number)
            if alone > joined:
                over, count = self.over[at], self.count[at]
        return None

    def floor(self, budget: float) -> float:
        """The share that is slow at any load, where that is surely over ``budget``; else 0.

        It is over it at the lowest loads seen, and at twice their load it is no more than
        ``budget`` higher: then more replicas would not help.
        """
        low = self._pool(self.bins[0], _bin(self._lowest() * _SPAN)) if self.bins else (0.0, 0.0)
        if low[1] < _REFERENCE or lower(*low) <= budget or low[0] > _MOST_FLOOR * low[1]:
            return 0.0
        high = self._pool(_bin(self._lowest() * 2.0), _bin(self._lowest() * 2.0 * _SPAN))
        if high[1] < _REFERENCE or high[0] / high[1] > low[0] / low[1] + budget:
            return 0.0
        return low[0] / low[1]

    def _lowest(self) -> float:
        return _load(self.bins[0])

    def _pool(self, begin: int, end: int) -> tuple[float, float]:
        """Slow and all requests of bins numbered ``begin`` to ``end``."""
        low, high = bisect_left(self.bins, begin), bisect_left(self.bins, end + 1)
        return math.fsum(self.over[low:high]), math.fsum(self.count[low:high])

    def share(self, load: float) -> float | None:
        """The isotonic fit of the share slow at ``load``; None: nothing was seen.

        Between bins it is that of the lower one.
        """
        if not self.bins or load < _LEAST:
            return None
        at = max(bisect_left(self.bins, _bin(load) + 1) - 1, 0)
        return isotonic(self.over, self.count)[at]

    def reference(self, load: float) -> float | None:
        """The mean ln(latency) learned at ``load``; None: too little was seen there."""
        number = _bin(load) if load >= _LEAST else 0
        at = bisect_left(self.bins, number)
        known = at < len(self.bins) and self.bins[at] == number and load >= _LEAST
        return self.pace[at] if known and self.count[at] >= _REFERENCE else None

    def spoiled(self, load: float) -> bool:
        """Whether anything slow was ever seen at ``load`` or below."""
        end = bisect_left(self.bins, _bin(load) + 1) if load >= _LEAST else 0
        return any(self.over[at] >= _GONE for at in range(end))

    def quicken(self, by: float) -> None:
        """Latencies are now ``by`` more (as ln) than what was learned of them."""
        for at in range(len(self.pace)):
            self.pace[at] += by

    def forget_above(self, load: float) -> None:
        """Nothing is known of more than ``load``."""
        keep = bisect_left(self.bins, _bin(load) + 1)
        for column in (self.bins, self.count, self.over, self.pace):
            del column[keep:]

    def state(self) -> RelationState:
        """All that is known."""
        return RelationState(
            bins=_bytes(self.bins),
            count=_bytes(self.count),
            over=_bytes(self.over),
            pace=_bytes(self.pace),
        )

    @classmethod
    def restored(cls, state: RelationState) -> Relation:
        """The relation of a state.  Raises ``ValueError`` where its columns do not fit."""
        made = cls()
        made.bins = _array("h", state.bins)
        made.count = _array("f", state.count)
        made.over = _array("f", state.over)
        made.pace = _array("f", state.pace)
        lengths = {len(made.bins), len(made.count), len(made.over), len(made.pace)}
        if len(lengths) != 1 or len(made.bins) > BINS:
            raise ValueError(f"a relation with columns of {sorted(lengths)} bins")
        return made

    def _crossing(self, at: int, budget: float, bound: float) -> float:
        """Where the bound reaches ``budget`` on its way to the bin above."""
        load = _load(self.bins[at])
        if at + 1 == len(self.bins):
            return load
        above = upper(self.over[at + 1], self.count[at + 1])
        part = (budget - bound) / max(above - bound, 1e-9)
        ceiling = _load(self.bins[at] + 1)  # Bins that were never seen prove nothing.
        return load + (min(_load(self.bins[at + 1]), ceiling) - load) * min(part, 1.0)

    def _place(self, number: int, *, slow: bool) -> int | None:
        """Where bin ``number`` is.

        A new one takes the place of the lowest load, as higher ones say more of what is fine; if
        it is the lowest itself, that of the highest if it has slow requests, else none (None).
        """
        at = bisect_left(self.bins, number)
        if at < len(self.bins) and self.bins[at] == number:
            return at
        if len(self.bins) == BINS:
            if at == 0 and not slow:
                return None
            self._drop(BINS - 1 if at == 0 else 0)
            at = max(at - 1, 0)
        self.bins.insert(at, number)
        for column in (self.count, self.over, self.pace):
            column.insert(at, 0.0)
        return at

    def _drop(self, at: int) -> None:
        for column in (self.bins, self.count, self.over, self.pace):
            column.pop(at)


def _bin(load: float) -> int:
    """Index of a load's bin: bin i has (1.08**i to 1.08**(i+1)]."""
    return math.floor(math.log(load) * _PER_LOG)


def _load(number: int) -> float:
    """The load that stands for a bin, its geometric middle."""
    return math.exp((number + 0.5) / _PER_LOG)


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return column.tobytes()


def _array(form: str, raw: bytes) -> array[Any]:
    column = array(form)
    column.frombytes(raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column
