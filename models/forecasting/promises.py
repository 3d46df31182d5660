"""Promises: forecasts whose step is not over yet, oldest first, packed as bytes.

Rule: what was looked at and asked is kept in 16 bits, in scales, to three digits, and what a
forecast is judged by in 32 and 64; at most ``MOST`` are in flight, so that a long horizon costs
no more than a middling one.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct as Packing
from typing import NamedTuple

from models.planes import lined, planes

MOST = 48
"""In flight: with a horizon of more steps only every second, third, ... step is promised."""


class Promise(NamedTuple):
    """A forecast whose step is not over yet; all but ``due``, ``last`` and ``scale`` in scales.

    ``scale`` negative: it is what was supposed before anything was learned.  ``mixed`` is the
    mixture's change of demand and ``said`` the one that was given out; ``day`` the scale of the
    day over ``scale``; ``asked`` the quantiles that were given out; ``inputs`` what was
    looked at (``experts.pack``).
    """

    due: int
    last: float
    scale: float
    mixed: float
    said: float
    day: float
    asked: tuple[float, ...]
    inputs: tuple[float, ...]


class Promises:
    """A queue of promises of ``asked`` quantiles and ``inputs`` numbers each."""

    __slots__ = ("_asked", "_packed", "_packing")

    def __init__(self, asked: int, inputs: int, state: bytes = b"") -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        self._asked = asked
        self._packing = _packing(asked + inputs)
        if len(state) % self._packing.size:
            raise ValueError(f"{len(state)} bytes are no whole promises")
        self._packed = bytearray(lined(state, self._packing.size))

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._packed) // self._packing.size

    def state(self) -> bytes:
        """All of them, packed, as planes."""
        return planes(self._packed, self._packing.size)

    @property
    def due(self) -> int | None:
        """When the oldest is due, a step; None: there is none."""
        return int.from_bytes(self._packed[:8], "little", signed=True) if self._packed else None

    def add(
        self,
        due: int,
        last: float,
        scale: float,
        changes: tuple[float, float, float],
        asked: Sequence[float],
        inputs: Sequence[float],
    ) -> None:
        """Add one; ``changes`` are ``mixed``, ``said`` and ``day``.

        Those due later are withdrawn: the horizon was shortened.  With ``MOST`` in flight, it was
        prolonged, and this one is left out.
        """
        packed, size = self._packed, self._packing.size
        while packed and int.from_bytes(packed[-size : 8 - size], "little", signed=True) > due:
            del packed[-size:]
        if len(packed) >= MOST * size:
            return
        packed += self._packing.pack(due, last, scale, *changes, *asked, *inputs)

    def pop(self) -> Promise:
        """Take the oldest away."""
        due, last, scale, mixed, said, day, *rest = self._packing.unpack_from(self._packed)
        del self._packed[: self._packing.size]
        asked = self._asked
        return Promise(due, last, scale, mixed, said, day, tuple(rest[:asked]), tuple(rest[asked:]))


_PACKINGS: dict[int, Packing] = {}


def _packing(numbers: int) -> Packing:
    """Of a promise with so many numbers after its ``day``; made once, all workloads share it."""
    if numbers not in _PACKINGS:
        _PACKINGS[numbers] = Packing(f"<qdd3f{numbers}e")
    return _PACKINGS[numbers]
