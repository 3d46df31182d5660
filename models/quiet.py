"""Quiet: how long nothing has happened at a workload that may be scaled to zero.

Rule: only seconds that every source has passed count as silent; a second that is no longer held,
or was not heard of while telemetry was missing, is not; a request that has started and not ended
is work, for an hour at most.
Flow: Scaler.close -> Quiet -> Context -> the guard ``idle``.
"""

from __future__ import annotations

from msgspec import Struct

from models.domain.load import Load
from models.seconds import SPAN
from models.window import Window

OPEN_MOST_S = 3600
"""A start whose end nobody told (a pod that died) keeps a workload up for so long."""


class QuietState(Struct, frozen=True, array_like=True):
    """As a snapshot has it; see ``Quiet`` for the fields."""

    since: int | None
    last: int | None
    opened: int
    gauge: int


class Quiet:
    """One workload's silence.  Times are event-time seconds."""

    __slots__ = ("gauge", "last", "opened", "since")

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.since: int | None = None
        """The first second known of."""
        self.last: int | None = None
        """The newest in which something happened."""
        self.opened = 0
        """Requests started and not ended, as far as was told."""
        self.gauge = 0
        """Requests in the system by the newest report of the pods."""

    def close(self, window: Window, begin: int, through: int) -> None:
        """Seconds ``begin`` to ``through`` are complete.  About 2 us a second."""
        newest = window.newest
        if newest is None:
            return
        held = newest - SPAN + 1
        if begin < held:
            # What is not held is not known: a request may have begun in it, and not have ended.
            self.missed(held)
            self.opened = max(self.opened, int(window.has_starts))
        elif self.since is None:
            self.since = begin
        # Behind the newest that was heard of there is nothing to count.
        for second in range(max(begin, held), min(through, newest) + 1):
            self._count(window, second)

    def missed(self, known: int) -> None:
        """Not all of what happened before second ``known`` was heard: silence begins there."""
        self.since = max(self.since or 0, known)

    def _count(self, window: Window, second: int) -> None:
        started = window.total("started", second, second)
        finished = window.total("finished", second, second)
        gauge = window.gauge(second)
        if window.has_starts:
            self.opened = max(self.opened + started - finished, 0)
        if gauge is not None:
            self.gauge = int(gauge)
            if not gauge and not started and not window.some_pods_silent:
                self.opened = 0  # Pods see what they work on: an end was lost.
        if started or finished or gauge:
            self.last = second

    def late(self, load: Load) -> None:
        """A partial of a second that was closed already; one of replicas alone is no event.

        Its requests are not counted as started or ended: an end that comes late leaves one open.
        """
        busy = any(gauge.in_flight for gauge in load.pods.values())
        if busy or load.started or load.finished:
            self.last = load.second if self.last is None else max(self.last, load.second)

    def silent_s(self, closed: int | None) -> int:
        """Complete seconds without anything, up to ``closed``; 0 while requests are in flight."""
        if closed is None or self.since is None:
            return 0
        silent_s = closed - max(self.since - 1, self.last or 0)
        return 0 if self.in_flight and silent_s < OPEN_MOST_S else silent_s

    @property
    def in_flight(self) -> int:
        """Requests that are being worked on, as far as anybody told."""
        return max(self.opened, self.gauge)

    def event_s(self, window: Window, closed: int | None) -> float | None:
        """Seconds since something happened, open seconds included; None: it never did."""
        newest = window.newest
        if newest is not None and (closed is None or newest > closed):
            begin = newest - SPAN + 1 if closed is None else closed + 1
            if window.total("finished", begin, newest) or (
                window.has_starts and window.total("started", begin, newest)
            ):
                return 0.0
            if window.in_system.told and any(
                window.gauge(second) for second in range(max(begin, newest - SPAN), newest + 1)
            ):
                return 0.0
        return None if closed is None or self.last is None else float(closed - self.last)

    def state(self) -> QuietState:
        """All that is remembered."""
        return QuietState(since=self.since, last=self.last, opened=self.opened, gauge=self.gauge)

    @classmethod
    def restored(cls, state: QuietState) -> Quiet:
        """The same again."""
        made = cls()
        made.since, made.last = state.since, state.last
        made.opened, made.gauge = state.opened, state.gauge
        return made
