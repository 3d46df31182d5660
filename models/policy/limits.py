"""Limits: the bounds of a moment, by the spec and the schedules that are on, or soon will be.

Rule: the highest bounds of all moments from now to the horizon, so that what a schedule asks for
is ready when it starts, and what it gives up is not given up before; known until they can change.
Flow: ScalerSpec -> Limits -> Context -> the guard ``bounds``; the actuator's check works it out
again from its own copy of the spec.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from models.domain.calendar import Calendar, calendar
from models.domain.spec import ScalerSpec, Schedule

LEAD_MOST_S = 3600.0
"""No schedule is looked ahead to by more than an hour, however slow replicas start."""


class Bounds(NamedTuple):
    """Least and most replicas, and the fields of the spec that say so."""

    min: int
    max: int
    min_by: str = "replicas.min"
    max_by: str = "replicas.max"


class Limits:
    """The bounds of one spec.  What it answers depends on what it is asked alone."""

    __slots__ = ("_calendars", "_horizon_s", "_known", "_since", "_until", "fixed", "spec", "zero")

    def __init__(self, spec: ScalerSpec) -> None:
        """``fixed``: the bounds of all times, where there are no schedules.

        ``zero``: whether there are times without a replica.
        """
        self.spec = spec
        plain = _plain(spec.replicas.min, spec.replicas.max)
        self.fixed: Bounds | None = None if spec.schedules else plain
        self.zero = 0 in (spec.replicas.min, *(each.min for each in spec.schedules))
        self._calendars = tuple(
            calendar(each.start, each.end, each.timezone) for each in spec.schedules
        )
        self._known = plain
        self._horizon_s = self._since = self._until = -math.inf

    def at(self, now: float, horizon_s: float) -> Bounds:
        """The bounds to keep at ``now`` (Unix seconds) if replicas take ``horizon_s`` to come.

        With ``replicas.min`` 2, a schedule of at least 10 from 8:00 on and a horizon of 65 s they
        are 2 until 7:58:55 and 10 from then on.
        """
        if self.fixed is not None:
            return self.fixed
        if horizon_s != self._horizon_s or not self._since <= now < self._until:
            ahead_s = min(max(horizon_s, 0.0), LEAD_MOST_S)
            self._known, self._until = self._over(now, ahead_s)
            self._horizon_s, self._since = horizon_s, now
        return self._known

    def _over(self, now: float, ahead_s: float) -> tuple[Bounds, float]:
        """The highest bounds from ``now`` to ``ahead_s`` later, and until when they hold."""
        moments, until = {now}, math.inf
        for each in self._calendars:
            at = each.at(now).until
            until = min(until, at)
            while at <= now + ahead_s:
                moments.add(at)
                at = each.at(at).until
            until = min(until, at - ahead_s)
        found = [_bounds(self.spec, self._calendars, at) for at in sorted(moments)]
        least = max(found, key=lambda each: each.min)
        most = max(found, key=lambda each: each.max)
        return Bounds(least.min, most.max, least.min_by, most.max_by), until


def _bounds(spec: ScalerSpec, calendars: tuple[Calendar, ...], at: float) -> Bounds:
    """The bounds of one moment: of several schedules the highest min, the lowest max.

    Where those cross, max holds: it is what a user can afford.
    """
    on = [
        (f"schedules[{number}]", schedule)
        for number, (schedule, each) in enumerate(zip(spec.schedules, calendars, strict=True))
        if each.at(at).on
    ]
    least, least_by = _least(on) or (spec.replicas.min, "replicas.min")
    most, most_by = _most(on) or (spec.replicas.max, "replicas.max")
    if least > most:
        least, least_by = most, most_by
    return Bounds(least, most, least_by, most_by)


def _least(on: list[tuple[str, Schedule]]) -> tuple[int, str] | None:
    given = [(each.min, f"{name}.min") for name, each in on if each.min is not None]
    return max(given, key=lambda pair: pair[0], default=None)


def _most(on: list[tuple[str, Schedule]]) -> tuple[int, str] | None:
    given = [(each.max, f"{name}.max") for name, each in on if each.max is not None]
    return min(given, key=lambda pair: pair[0], default=None)


@lru_cache(maxsize=4096)
def _plain(least: int, most: int) -> Bounds:
    """One object for all that have the same."""
    return Bounds(least, most)
