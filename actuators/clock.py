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
    """A clock that starts at ``origin`` when it is made and runs ``speed`` times real time."""

    def __init__(self, *, origin: float, speed: float) -> None:
        """``origin`` is Unix seconds; ``speed`` must be positive, else ``ValueError``."""
        if not speed > 0:
            msg = f"speed must be positive, not {speed}"
            raise ValueError(msg)
        self.origin = origin
        self.speed = speed
        # Monotonic for now(): a step of the machine's clock must not step trace time.
        self._wall = time.time()
        self._monotonic = time.monotonic()

    def now(self) -> float:
        """Scaled Unix seconds."""
        return self.origin + (time.monotonic() - self._monotonic) * self.speed

    def at_wall(self, wall_s: float) -> float:
        """Scaled Unix seconds at ``wall_s``."""
        return self.origin + (wall_s - self._wall) * self.speed

    def wall_seconds(self, seconds: float) -> float:
        """Scaled seconds last ``1 / speed`` of themselves."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` of this clock."""
        await asyncio.sleep(max(seconds, 0.0) / self.speed)


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
