"""Clocks: the only way anything in Foretide learns what time it is.

Rule: one clock is made at the composition root and handed down; Kafka's own timeouts stay real.
Stands beside the actuators because the time of day is part of the outside world.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch as the loop sees them; in the demo they run faster than the wall."""

    def now(self) -> float:
        """Unix seconds of this clock."""
        ...

    def at_wall(self, wall_s: float) -> float:
        """What this clock shows, or showed, at ``wall_s`` Unix seconds of the machine."""
        ...

    def wall_seconds(self, seconds: float) -> float:
        """How long ``seconds`` of this clock last on the machine's clock."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` of this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def at_wall(self, wall_s: float) -> float:
        """The same second."""
        return wall_s

    def wall_seconds(self, seconds: float) -> float:
        """The same length."""
        return seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds``."""
        await asyncio.sleep(max(seconds, 0.0))


class ScaledClock:
    """A clock that runs ``speed`` times real time for ``length_s`` of its own, then as the wall.

    It stands still until ``start``, and then begins so far in the past that it meets the
    machine's clock when its length is over: a replayed hour is the hour that has just gone by,
    and what comes after it is now.
    """

    def __init__(self, *, speed: float, length_s: float) -> None:
        """``speed`` and ``length_s`` must be positive, else ``ValueError``."""
        if not (speed > 0 and length_s > 0):
            msg = f"speed and length must be positive, not {speed} and {length_s}"
            raise ValueError(msg)
        self.speed = speed
        self._fast_s = length_s / speed
        self._length_s = length_s
        self._wall: float | None = None
        self._monotonic = 0.0
        self._origin = time.time() - length_s

    def start(self) -> None:
        """Begin to run."""
        self._wall = time.time()
        # Monotonic for now(): a step of the machine's clock must not step trace time.
        self._monotonic = time.monotonic()
        self._origin = self._wall + self._fast_s - self._length_s

    async def meet_the_wall(self) -> None:
        """Wait until the fast part is over, and this clock shows what the machine's does."""
        while self._wall is None or time.monotonic() - self._monotonic < self._fast_s:
            left = self._fast_s - (time.monotonic() - self._monotonic)
            await asyncio.sleep(max(left, 0.01) if self._wall is not None else 0.01)

    def now(self) -> float:
        """Scaled Unix seconds."""
        return self._scaled(time.monotonic() - self._monotonic)

    def at_wall(self, wall_s: float) -> float:
        """Scaled Unix seconds at ``wall_s``; before the start, where it stands."""
        return self._scaled(wall_s - (self._wall or 0.0))

    def wall_seconds(self, seconds: float) -> float:
        """How long ``seconds`` of this clock last by the wall, from now on."""
        over = time.monotonic() - self._monotonic >= self._fast_s
        return seconds if over and self._wall is not None else seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` of this clock."""
        await asyncio.sleep(self.wall_seconds(max(seconds, 0.0)))

    def _scaled(self, elapsed_s: float) -> float:
        if self._wall is None:
            return self._origin
        fast = min(max(elapsed_s, 0.0), self._fast_s)
        return self._origin + fast * self.speed + max(elapsed_s - fast, 0.0)


class ManualClock:
    """A clock that stands still until a test moves it; ``sleep`` waits for the move."""

    def __init__(self, now: float = 0.0) -> None:
        """Starts at ``now`` Unix seconds."""
        self._now = now
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Unix seconds as last set."""
        return self._now

    def at_wall(self, wall_s: float) -> float:
        """The same second: a manual clock has no wall."""
        return wall_s

    def wall_seconds(self, seconds: float) -> float:
        """The same length."""
        return seconds

    def advance(self, seconds: float) -> None:
        """Move forward and wake the sleepers whose time has come."""
        self._now += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved by ``seconds``."""
        until = self._now + seconds
        while self._now < until:
            await self._moved.wait()
