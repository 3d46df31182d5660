"""Calendar: when a schedule is on, from two cron expressions and a time zone.

Rule: a window opens at each start and closes at the first end after it, both by the clock on the
wall; zones are those of the locked tzdata package, never the machine's, and are read with the
spec, so that a replay elsewhere sees the same windows.
Flow: spec -> Calendar -> models.policy.limits.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from functools import lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadCronError, CroniterBadDateError

FIELDS = (
    "minute (0-59), hour (0-23), day of month (1-31), month (1-12 or jan-dec), "
    "day of week (0-7 or sun-sat), each *, a number, a list 1,2, a range 1-5 or a step */5"
)
"""What is allowed in a cron expression: crontab(5), as KEDA's cron scaler takes it."""

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_FIELD = re.compile(rf"(?:[-0-9*,/]|{_NAMES})+", re.IGNORECASE)
_LEAP = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - the clock on a wall has no zone
_AROUND = dt.timedelta(hours=25)
"""How near a change of the zone's offset makes the order of instants differ from the wall's: no
zone has ever moved its clocks by more than a day."""
_SECOND = dt.timedelta(seconds=1)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - as above
_KEPT = 8
"""Spans remembered: now and the horizon's end of a few workloads that share a schedule."""


class Span(NamedTuple):
    """A schedule does not change from ``begin`` until ``until`` (excluded), Unix seconds."""

    begin: float
    until: float
    on: bool


class Calendar:
    """One schedule.  What it answers depends on the moment asked for alone.

    Clocks that are put forward: what falls into the hour that is left out happens when they are.
    Clocks that are put back: of an hour that comes twice a start is its first, an end its second,
    so that a window is rather too long than too short.
    """

    __slots__ = ("_end", "_spans", "_start", "_zone")

    def __init__(self, start: str, end: str, zone: str) -> None:
        """Raises ``ValueError`` with what is allowed."""
        self._start, self._end = cron(start), cron(end)
        self._zone = time_zone(zone)
        self._spans: list[Span] = []

    def at(self, now: float) -> Span:
        """The span around ``now`` (Unix seconds); about 0.5 ms when it is a new one."""
        for span in self._spans:
            if span.begin <= now < span.until:
                return span
        span = self._find(now)
        self._spans.append(span)
        if len(self._spans) > _KEPT:
            self._spans.pop(0)
        return span

    def _find(self, now: float) -> Span:
        """From ``now`` on: what came before it in the same span is not looked for."""
        started = self._last_start(now)
        if started is None:
            following = _next(self._start, self._wall(now))
        else:
            closes = self._instant(_next(self._end, started), last=True)
            if now < closes:
                return Span(now, closes, on=True)
            following = _next(self._start, started)
        return Span(now, self._instant(following, last=False), on=False)

    def _last_start(self, now: float) -> dt.datetime | None:
        """The newest start, by the wall, whose moment is not after ``now``."""
        wall = self._wall(now) + _SECOND
        if self._offset(now - 90_000) != self._offset(now + 90_000):
            wall += _AROUND  # Of an hour that comes twice, later ones may have been.
        try:
            while self._instant(wall := _previous(self._start, wall), last=False) > now:
                pass
        except CroniterBadDateError:
            return None
        return wall

    def _wall(self, now: float) -> dt.datetime:
        return _EPOCH + dt.timedelta(seconds=int(now // 1) + self._offset(now))

    def _offset(self, now: float) -> int:
        """Seconds that the wall's clock is before UTC."""
        at = _EPOCH.replace(tzinfo=dt.UTC) + dt.timedelta(seconds=int(now // 1))
        offset = at.astimezone(self._zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())

    def _instant(self, wall: dt.datetime, *, last: bool) -> float:
        """When the wall shows ``wall``; which of two, or that they are put forward: see above."""
        early, late = sorted(
            (wall - _EPOCH - (at.utcoffset() or dt.timedelta())).total_seconds()
            for at in (wall.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        )
        if early == late or self._wall(early) == wall:
            return late if last else early
        # Never shown: between the two the clock is put forward.
        before = self._offset(early)
        while late - early > 1:
            middle = (early + late) // 2
            if self._offset(middle) == before:
                early = middle
            else:
                late = middle
        return late


@lru_cache(maxsize=4096)
def calendar(start: str, end: str, zone: str) -> Calendar:
    """The calendar of a schedule, one for all workloads that have the same."""
    return Calendar(start, end, zone)


@lru_cache(maxsize=4096)
def cron(text: str) -> str:
    """A cron expression as it is kept.  Raises ``ValueError``.

    Random and hashed fields of croniter are refused: a decision must be the same when replayed.

    >>> cron(" 30  7 * * mon-fri")
    '30 7 * * mon-fri'
    """
    fields = text.split()
    odd = [field for field in fields if not _FIELD.fullmatch(field)]
    if len(fields) != 5 or odd:  # noqa: PLR2004 - see FIELDS
        what = f"{odd[0]!r} is not understood" if odd else f"it has {len(fields)} fields, not 5"
        raise ValueError(f"{text!r} is no cron expression: {what}; allowed: {FIELDS}")
    kept = " ".join(fields)
    try:
        _next(kept, _LEAP)
    except CroniterBadDateError:
        raise ValueError(f"{text!r} never comes: no month has such a day") from None
    except CroniterBadCronError as error:
        reason = str(error).removeprefix(f"[{kept}] is not acceptable").strip(" ,")
        reason = reason or "a field is not understood"
        raise ValueError(f"{text!r} is no cron expression: {reason}; allowed: {FIELDS}") from None
    return kept


@lru_cache(maxsize=4096)
def time_zone(name: str) -> ZoneInfo:
    """A zone of the IANA database.  Raises ``ValueError`` with a name that is near."""
    if name not in _zones():
        close = difflib.get_close_matches(name, sorted(_zones()), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "write for example 'Europe/Berlin'"
        raise ValueError(f"{name!r} is no time zone; {hint} (a name of the IANA database)")
    with resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


def _next(text: str, after: dt.datetime) -> dt.datetime:
    found: dt.datetime = croniter(text, after, ret_type=dt.datetime).get_next()
    return found


def _previous(text: str, before: dt.datetime) -> dt.datetime:
    found: dt.datetime = croniter(text, before, ret_type=dt.datetime).get_prev()
    return found
