"""Seconds: sums of one workload by second, in a ring of ``SPAN``.

Rule: sums are integers that only grow by differences; a column is there from the first of its
kind on, in 4 bytes a second until one needs more.  Who asks knows which seconds are held.
Flow: Window -> Seconds.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from typing import Any, TypeVar

from models.domain.load import Load
from models.planes import lined, planes

SPAN = 80
"""Seconds held."""

_Number = TypeVar("_Number", int, float)

_NARROW = "I"
_FORMS = {
    "started": "I",
    "sessions": "I",
    "finished": "I",
    "dropped": "I",
    "latency_count": "I",
    "latency_us": "q",
    "tokens_in_started": "q",
    "tokens_in": "q",
    "tokens_out": "q",
}
"""Sums by second, and how many bytes of a snapshot each has: 4 or 8."""


class Seconds:
    """The sums of ``_FORMS``."""

    __slots__ = ("_held",)

    def __init__(self, state: Mapping[str, bytes] | None = None) -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it has the wrong length."""
        self._held: dict[str, array[int]] = {
            name: _narrow(unpacked(_FORMS[name], raw)) for name, raw in (state or {}).items()
        }

    def state(self) -> dict[str, bytes]:
        """What ``__init__`` takes."""
        return {name: packed(array(_FORMS[name], held)) for name, held in self._held.items()}

    def __contains__(self, name: str) -> bool:
        """Whether there was ever one of its kind."""
        return name in self._held

    def add(self, load: Load, before: Load | None) -> None:
        """Take in a partial of a second that is held, in place of ``before``."""
        held, place = self._held, load.second % SPAN
        for name, form in _FORMS.items():
            more: int = getattr(load, name)
            if before is not None:
                more -= getattr(before, name)
            if more:
                column = held.get(name)
                if column is None:
                    column = held[name] = array(_NARROW, bytes(SPAN * 4))
                try:
                    column[place] += more
                except OverflowError:
                    column = held[name] = array(form, column)
                    column[place] += more

    def clear(self, seconds: range) -> None:
        """These seconds are others now, in which nothing was heard of yet."""
        for column in self._held.values():
            for second in seconds:
                column[second % SPAN] = 0

    def told(self, second: int) -> bool:
        """Whether anything was heard of in a second."""
        place = second % SPAN
        return any(column[place] for column in self._held.values())

    def each(self, name: str, begin: int, end: int) -> list[int]:
        """The sums of seconds ``begin`` to ``end``, both included and held."""
        column = self._held.get(name)
        return [0] * (end - begin + 1) if column is None else between(column, begin, end)

    def total(self, name: str, begin: int, end: int) -> int:
        """The sum of seconds ``begin`` to ``end``, both included and held."""
        column = self._held.get(name)
        if column is None:
            return 0
        low, high = begin % SPAN, end % SPAN
        if low <= high:
            return sum(column[low : high + 1])
        return sum(column[low:]) + sum(column[: high + 1])


def between(ring: array[_Number], begin: int, end: int) -> list[_Number]:
    """Seconds ``begin`` to ``end`` of a ring, all of them held."""
    low, high = begin % SPAN, end % SPAN
    return (ring[low : high + 1] if low <= high else ring[low:] + ring[: high + 1]).tolist()


def packed(column: array[Any]) -> bytes:
    """A ring as a snapshot has it: little-endian, as planes."""
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return planes(column.tobytes(), column.itemsize)


def unpacked(form: str, raw: bytes) -> array[Any]:
    """The ring of ``packed``.  Raises ``ValueError`` when it has not ``SPAN`` seconds."""
    column = array(form)
    column.frombytes(lined(raw, column.itemsize))
    if len(column) != SPAN:
        raise ValueError(f"{len(column)} seconds in place of {SPAN}")
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _narrow(column: array[int]) -> array[int]:
    """The column in 4 bytes a second, where that is enough."""
    return array(_NARROW, column) if max(column) < 1 << 32 else column
