"""Residuals: what a forecast missed by, in its own scales, and the quantiles of that.

Rule: a rolling window of time (an hour of steps), so that the spread follows the traffic; the
quantile is the nearest rank, without interpolation.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

KEPT = 360
"""Residuals kept: an hour of 10 s steps."""

ENOUGH = 20
"""Residuals below which a quantile is not claimed."""


class Residuals:
    """A rolling window of scaled residuals; in 32 bits, which is what a snapshot has."""

    __slots__ = ("_place", "_ring")

    def __init__(self, state: bytes = b"") -> None:
        """``state`` is what ``state`` gave."""
        self._ring = array("f", state)
        self._place = 0
        """Where the oldest is, once the ring is full."""

    def __len__(self) -> int:
        """How many are held."""
        return len(self._ring)

    def state(self) -> bytes:
        """All of them as 32-bit floats, oldest first."""
        return (self._ring[self._place :] + self._ring[: self._place]).tobytes()

    def add(self, residual: float) -> None:
        """Add one; the oldest leaves."""
        if len(self._ring) < KEPT:
            self._ring.append(residual)
            if len(self._ring) == KEPT:
                self._ring = array("f", self._ring.tobytes())  # Without the room to grow.
            return
        self._ring[self._place] = residual
        self._place = (self._place + 1) % KEPT

    def quantile(self, level: float) -> float | None:
        """The residual at ``level``; None with fewer than ``ENOUGH``.

        Of 1..100 the 0.95 quantile is 95.
        """
        if len(self._ring) < ENOUGH:
            return None
        rank = -(-len(self._ring) * round(level * 10_000) // 10_000)
        return sorted(self._ring)[max(rank, 1) - 1]

    def above(self, residual: float) -> float | None:
        """Share of residuals above ``residual``; None with fewer than ``ENOUGH``."""
        if len(self._ring) < ENOUGH:
            return None
        return sum([held > residual for held in self._ring]) / len(self._ring)


class Largest:
    """The largest of the newest ``KEPT`` values, and of 0; by a monotonic queue."""

    __slots__ = ("_numbers", "_values", "count")

    def __init__(self, count: int = 0, held: Iterable[tuple[int, float]] = ()) -> None:
        """``count`` values were added before; ``held`` is what was kept of them."""
        self.count = count
        pairs = list(held)
        self._values = array("d", [value for _, value in pairs])
        """Falling: each is the largest of those since."""
        self._numbers = array("q", [number for number, _ in pairs])
        """The number of each."""

    def state(self) -> tuple[int, list[tuple[int, float]]]:
        """What ``__init__`` takes."""
        return self.count, list(zip(self._numbers, self._values, strict=True))

    def add(self, value: float) -> None:
        """Add one; the oldest leaves."""
        values, numbers = self._values, self._numbers
        while values and values[-1] <= value:
            values.pop()
            numbers.pop()
        values.append(value)
        numbers.append(self.count)
        self.count += 1
        if numbers[0] < self.count - KEPT:
            values.pop(0)
            numbers.pop(0)

    def value(self) -> float:
        """The largest."""
        return max(self._values[0], 0.0) if self._values else 0.0
