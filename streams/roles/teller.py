"""Teller: outcomes to Kafka in rounds, each behind a fresh look at who owns the partitions.

Rule: an outcome waits behind nothing in the producer.  aiokafka holds back what goes to a broker
that has not answered its last request, and a worker that slept meanwhile would send it when it
wakes.  So outcomes have a producer of their own, and of what goes to one broker a round begins,
with the owner asked anew, when that broker has acknowledged the last.
Flow: Actuate -> foretide.outcomes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice, takewhile
from typing import NamedTuple

from models.domain.outcome import Outcome
from streams import codec
from streams.kafka.outbox import Outbox, acknowledged

ROUND = 200
"""Outcomes in a round at most: a batch that is not full, so that none waits for another's."""


class _Waiting(NamedTuple):
    outcome: Outcome
    generation: int
    told: asyncio.Future[bool]


class _Line:
    """What goes to one broker: who waits, oldest first, and the task that goes through them."""

    __slots__ = ("rounds", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.rounds: asyncio.Task[None] | None = None


class Teller:
    """The outcomes of one actuate role."""

    def __init__(self, outbox: Outbox, *, owner: Callable[[int], Awaitable[bool]]) -> None:
        """``outbox`` carries nothing else, and does not linger.

        ``owner``: whether a generation's assignment holds.
        """
        self.sending: set[str] = set()
        """Decisions whose outcome is on its way and not acknowledged."""
        self._outbox = outbox
        self._owner = owner
        self._lines: dict[int | None, _Line] = {}
        """By the broker that they go to; None: it is not known who leads the partition."""

    async def start(self) -> None:
        """Learn who leads the topic's partitions: the first outcome shall not wait for it."""
        await self._outbox.partitions("outcomes")

    async def tell(self, outcome: Outcome, generation: int) -> bool:
        """True: the broker has it.  False: it is the partition's new owner's to tell.

        ``generation`` is the assignment that the decision was read in.  Raises what the producer
        raises; cancelled, it may be told all the same.
        """
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        leader = self._outbox.leader("outcomes", outcome.workload)
        line = self._lines.get(leader)
        if line is None:
            line = self._lines[leader] = _Line()
        line.waiting.append(_Waiting(outcome, generation, told))
        if line.rounds is None:
            line.rounds = asyncio.create_task(self._tell(line))
        return await told

    async def _tell(self, line: _Line) -> None:
        """One round after the other, until nobody waits; ended from outside, nobody waits on."""
        try:
            while line.waiting:
                await self._round(line.waiting)
        finally:
            line.rounds = None
            while line.waiting:
                line.waiting.popleft().told.cancel()

    async def _round(self, waiting: deque[_Waiting]) -> None:
        generation = waiting[0].generation
        found: list[_Waiting] = []
        try:
            owner = await self._owner(generation)
            same = takewhile(lambda one: one.generation == generation, waiting)
            found = list(islice(same, ROUND))
            if owner:
                self.sending |= {one.outcome.decision for one in found}
                await acknowledged([await self._send(one.outcome) for one in found])
            for one in found:
                if not one.told.done():  # Else whoever waited was cancelled.
                    one.told.set_result(owner)
        except Exception as error:  # noqa: BLE001  Theirs who wait, and by them the worker's.
            for one in found or waiting:
                if not one.told.done():
                    one.told.set_exception(error)
        finally:
            self.sending -= {one.outcome.decision for one in found}
            for one in found or tuple(waiting):
                waiting.popleft()
                one.told.cancel()  # Nothing, where it is done.

    async def _send(self, outcome: Outcome) -> asyncio.Future[object]:
        return await self._outbox.send("outcomes", codec.encode(outcome), key=outcome.workload)
