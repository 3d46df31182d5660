"""Day: what missed the SLO of a rolling day, to the hour.

Rule: an hour counts wholly until it is a day old, and then no more; the day is the budget's window.
"""

from __future__ import annotations

from array import array

from msgspec import Struct

DAY_S = 86_400
"""The budget's window."""

HOUR_S = 3600

HOURS = DAY_S // HOUR_S + 1
"""Held: those of the day, and the one that is going on."""


class DayState(Struct, frozen=True, array_like=True):
    """A day as a snapshot has it; ``hours`` is of ``HOURS`` sums each, missed and ended."""

    hour: int | None
    since: int | None
    missed: float
    ended: float
    hours: bytes


class Day:
    """Of one workload: what missed the SLO, and all of it, in any unit."""

    __slots__ = ("_ended", "_hour", "_hours", "_missed", "_since", "_step_s")

    def __init__(self, step_s: int) -> None:
        """Nothing happened yet; steps are ``step_s`` seconds."""
        self._step_s = step_s
        self.clear()

    def clear(self) -> None:
        """Forget all of it."""
        self._hour: int | None = None
        """The newest, since 1970."""
        self._since: int | None = None
        """The first step that was counted."""
        self._missed = self._ended = 0.0
        """Of the newest hour."""
        self._hours = array("f", bytes(8 * HOURS))
        """Of those before: missed and ended by hour modulo ``HOURS``."""

    def add(self, step: int, missed: float, ended: float) -> None:
        """Of step number ``step`` so much missed, of so much that ended."""
        hour = step * self._step_s // HOUR_S
        if self._hour is None:
            self._hour, self._since = hour, step
        elif hour > self._hour:
            self._turn(self._hour, hour)
        self._missed += missed
        self._ended += ended

    def _turn(self, begun: int, hour: int) -> None:
        """Hour ``begun`` is over, and so are those up to ``hour``, in which nothing was added."""
        self._put(begun, self._missed, self._ended)
        for passed in range(max(begun + 1, hour - HOURS + 1), hour + 1):
            self._put(passed, 0.0, 0.0)
        self._hour = hour
        self._missed = self._ended = 0.0

    def _put(self, hour: int, missed: float, ended: float) -> None:
        place = 2 * (hour % HOURS)
        self._hours[place], self._hours[place + 1] = missed, ended

    @property
    def violated(self) -> float | None:
        """Share that missed over the last day; None: nothing ended in it."""
        ended = self._ended + sum(self._hours[1::2])
        return (self._missed + sum(self._hours[::2])) / ended if ended > 0 else None

    def known(self, step: int) -> float:
        """Share of the day before the end of step ``step`` in which anything was counted."""
        if self._since is None:
            return 0.0
        return min((step + 1 - self._since) * self._step_s / DAY_S, 1.0)

    def state(self) -> DayState:
        """All that is remembered."""
        return DayState(
            hour=self._hour,
            since=self._since,
            missed=self._missed,
            ended=self._ended,
            hours=self._hours.tobytes() if any(self._hours) else b"",
        )

    @classmethod
    def restored(cls, step_s: int, state: DayState) -> Day:
        """It goes on as the one of the state.  Raises ``ValueError`` where it has another form."""
        made = cls(step_s)
        made._hour, made._since = state.hour, state.since
        made._missed, made._ended = state.missed, state.ended
        if state.hours:
            if len(state.hours) != 8 * HOURS:
                raise ValueError(f"a day of {len(state.hours)} bytes")
            made._hours = array("f", state.hours)
        return made
