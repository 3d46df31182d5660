"""Whether this worker may still speak for its partitions: it may have slept and been replaced.

Rule: sure for half a session after the group's coordinator has said so, then it is asked again;
who has been put out, or has joined anew since, may not.  Nobody notices his own sleep otherwise:
a process that was stopped wakes in the middle of what it was doing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka.errors import KafkaError

PAUSE_S = 0.2
"""Between two questions to a coordinator that does not answer."""


class Lease:
    """A group membership of one generation after the other."""

    def __init__(self, *, session_timeout_s: float) -> None:
        """``session_timeout_s``: after this long without a heartbeat the group goes on without."""
        self._sure_for_s = session_timeout_s / 2
        self._sure_at = 0.0
        self._generation = -1
        self._asking = asyncio.Lock()

    async def held(self, thread: Any, generation: int) -> bool:
        """Whether ``generation``'s assignment is still this member's.

        ``thread``: Faust's consumer thread, whose consumer is the member.  Waits while the
        coordinator cannot be asked.
        """
        async with self._asking:
            known = self._generation == generation == _generation(thread)
            if known and self._sure():
                return True
            while True:
                asked_at = time.monotonic()
                answer = await thread.call_thread(_ask, thread, generation)
                if answer is False:
                    return False
                if answer:
                    self._sure_at, self._generation = asked_at, generation
                    if self._sure():
                        return True
                    continue  # The answer was slept over, or long in coming.
                await asyncio.sleep(PAUSE_S)

    def _sure(self) -> bool:
        return time.monotonic() - self._sure_at < self._sure_for_s


def _generation(thread: Any) -> int:
    """Of the newest assignment that the member was given; it may be read from any thread."""
    generation: int = thread._ensure_consumer()._coordinator.generation
    return generation


async def _ask(thread: Any, generation: int) -> bool | None:
    """On the consumer's own loop: one heartbeat; None: nobody can say."""
    coordinator = thread._ensure_consumer()._coordinator
    if coordinator.generation != generation:
        return False
    try:
        await coordinator.ensure_coordinator_known()
        alive = await coordinator._do_heartbeat()
    except KafkaError:
        alive = False
    if coordinator.generation != generation:
        return False  # The answer was that it is over, and aiokafka has taken note.
    return True if alive else None
