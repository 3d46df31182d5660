"""Faults a test can order of the facade: errors, held requests, dropped watches.

Rule: named by verb and resource, bounded in number, met in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Answer one request with ``status``."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


class Faults:
    """What to do to coming requests."""

    def __init__(self) -> None:
        self.stopped = False
        self.dropped = 0
        self._errors: dict[tuple[str, str], deque[Fault]] = {}
        self._holds: dict[tuple[str, str], tuple[asyncio.Event, asyncio.Event]] = {}

    def fail(
        self, verb: str, resource: str, status: int, *, times: int = 1, **headers: str
    ) -> None:
        """Answer the next ``times`` requests with ``status``; headers as ``Retry_After="1"``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        queue = self._errors.setdefault((verb, resource), deque())
        queue.extend([Fault(status=status, headers=named)] * times)

    def hold(self, verb: str, resource: str) -> tuple[asyncio.Event, asyncio.Event]:
        """Hold the next request: (set when it has come, set to let it go on)."""
        events = asyncio.Event(), asyncio.Event()
        self._holds[verb, resource] = events
        return events

    def drop_watches(self) -> None:
        """End all open watches."""
        self.dropped += 1

    def stop(self) -> None:
        """The server stops: end watches, let held requests go."""
        self.stopped = True
        for _, release in self._holds.values():
            release.set()

    async def meet(self, verb: str, resource: str) -> Fault | None:
        """What is to happen to this request."""
        held = self._holds.pop((verb, resource), None)
        if held is not None:
            held[0].set()
            await held[1].wait()
        queue = self._errors.get((verb, resource))
        return queue.popleft() if queue else None
