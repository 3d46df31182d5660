"""Lanes: batches of one partition one after the other, of several partitions side by side.

Rule: who waits for the broker in one partition keeps no other waiting; small batches that came
meanwhile are joined, so that a wait is paid once for all of them.
Flow: RoleService -> Lane -> ``on_batch``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from streams.kafka.batch import FetchedBatch

WAITING = 64
"""Batches that wait in a lane before nothing more is read."""

WAITING_BYTES = 8 * 1024 * 1024
"""Of values that wait in a lane, about, before nothing more is read; one batch may always wait."""

SAMPLED = 16
"""Of so many values one is weighed: those of a batch are much alike."""

JOINED = 256
"""Records of joined batches, at most; a larger batch stands alone."""


class Lane:
    """One partition.  ``run`` takes in what ``add`` hands over."""

    def __init__(self, take: Callable[[FetchedBatch], Awaitable[None]]) -> None:
        """``take`` takes in one batch."""
        self.busy_since: float | None = None
        """Since when ``take`` has been at one batch, by the machine's clock."""
        self._take = take
        self._waiting: deque[FetchedBatch] = deque()
        self._bytes: deque[int] = deque()
        """Of each that waits."""
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return self.busy_since is None and not self._waiting

    async def room(self) -> None:
        """Wait until there is room for one more batch."""
        while len(self._waiting) >= WAITING or sum(self._bytes) >= WAITING_BYTES:
            self._taken.clear()
            await self._taken.wait()

    def add(self, batch: FetchedBatch) -> None:
        """Hand over the batch that follows the last one."""
        self._waiting.append(batch)
        self._bytes.append(_weight(batch))
        self._filled.set()

    def drop(self) -> None:
        """Forget what waits: it will be read again."""
        self._waiting.clear()
        self._bytes.clear()
        self._taken.set()

    async def rest(self) -> None:
        """Wait until no batch is under way."""
        await self._free.wait()

    def alive(self) -> None:
        """What is under way is waiting for somebody, not stuck: its time counts from now."""
        if self.busy_since is not None:
            self.busy_since = time.monotonic()

    async def run(self) -> None:
        """Take in batch after batch, until cancelled or ``take`` fails."""
        while True:
            if not self._waiting:
                self._filled.clear()
                await self._filled.wait()
                continue
            batch = self._next()
            self.busy_since = time.monotonic()
            self._free.clear()
            try:
                await self._take(batch)
            finally:
                self.busy_since = None
                self._free.set()

    def _next(self) -> FetchedBatch:
        """The oldest batch, and those that can be joined to it."""
        waiting = self._waiting
        first = waiting.popleft()
        self._bytes.popleft()
        runs, records = list(first.runs), first.size
        while waiting and waiting[0].generation == first.generation:
            records += waiting[0].size
            if records > JOINED:
                break
            runs += waiting.popleft().runs
            self._bytes.popleft()
        self._taken.set()
        return first._replace(runs=runs)


def _weight(batch: FetchedBatch) -> int:
    """Bytes of a batch's values, about."""
    weight = 0
    for run in batch.runs:
        step = SAMPLED if len(run.values) > SAMPLED else 1
        weight += step * sum(len(value) for value in run.values[::step] if value is not None)
    return weight
