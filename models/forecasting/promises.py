"""Promises: forecasts whose step is not over yet, oldest first, packed as numbers.

Rule: features are 32-bit floats, which is what a snapshot has; here they stand in 64 bits, where
they lose nothing, because one array of numbers takes a third of what objects would.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from msgspec import Struct


class Promise(Struct, frozen=True, array_like=True, gc=False):
    """A forecast whose step is not over yet."""

    due: int
    last: float
    centre: float
    scale: float
    features: bytes
    """32-bit floats, of ``FEATURES``."""


class Promises:
    """A queue of promises of so many features each."""

    __slots__ = ("_packed", "_width")

    def __init__(self, features: int) -> None:
        """None was made."""
        self._packed = array("d")
        self._width = 4 + features

    @property
    def due(self) -> int | None:
        """When the oldest is due, a step; None: there is none."""
        return int(self._packed[0]) if self._packed else None

    def add(self, promise: tuple[int, float, float, float], features: Sequence[float]) -> None:
        """Add (due, last, centre, scale), and 32-bit features."""
        self._packed.extend((*promise, *features))

    def pop(self) -> tuple[float, float, float, Sequence[float]]:
        """Take the oldest away: (last, centre, scale, features)."""
        taken = self._packed[: self._width]
        del self._packed[: self._width]
        return taken[1], taken[2], taken[3], taken[4:]

    def state(self) -> list[Promise]:
        """All of them."""
        packed, width = self._packed, self._width
        return [
            Promise(
                due=int(packed[begin]),
                last=packed[begin + 1],
                centre=packed[begin + 2],
                scale=packed[begin + 3],
                features=array("f", packed[begin + 4 : begin + width]).tobytes(),
            )
            for begin in range(0, len(packed), width)
        ]

    @classmethod
    def restored(cls, features: int, state: Sequence[Promise]) -> Promises:
        """The promises of a state."""
        made = cls(features)
        for held in state:
            made.add((held.due, held.last, held.centre, held.scale), array("f", held.features))
        return made
