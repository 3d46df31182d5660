"""Experts: what each says demand will change by until the horizon; and the features of one.

Rule: every one says something from the first step on, what it cannot know yet being "no more than
the averages", but the week and the tenants, which sleep (NaN) until they know; all in scales, and
pure: saying changes nothing.
Flow: Levels, Season, starts -> look -> Mixture, ResidualModel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from models.forecasting.levels import HALF_LIVES_S, Levels
from models.forecasting.season import DAY_S, Season

NAMES = (
    "last-value",
    *(f"average-{half_life_s:.0f}s" for half_life_s in HALF_LIVES_S),
    "trend",
    "season",
    "week",
    "tenants",
    "bayes-lr",
)
"""Of the experts, in the order of their weights."""

PRIOR = tuple(weight / 15.0 for weight in (6.5, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0))
"""Where weights begin and go back to: on the last value, which is what to fall back to, half of
all while the week and the tenants sleep; and less on the trend, which alone can say what was
never seen."""

FURTHEST = 1000.0
"""Scales beyond which nobody says anything; times the furthest residual (30) it is well within
what 16 bits of a promise hold (65,504)."""

OWN = 4
"""Experts but the last whose changes are no features too: trend, season, week and tenants."""

_LAG_S = 433.0
"""Mean age of what the average of 300 s is of: half-life / ln 2."""

_SEASONED = 1
_SHARED = 2
"""Places in ``HALF_LIVES_S`` of the average that the day's and the week's moves are added to, and
of the one that they are shares of."""


class Look(NamedTuple):
    """Changes until the horizon, in scales, of all experts but the last; and its features."""

    changes: tuple[float, ...]
    features: tuple[float, ...]


def pack(said: Look, expert: float) -> tuple[float, ...]:
    """Everything that was said, each number once; ``expert`` is the last expert's change."""
    return (*said.features, *said.changes[-OWN:], expert)


def unpack(packed: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Features, and changes of all experts."""
    averages = packed[: len(HALF_LIVES_S)]
    return packed[: -OWN - 1], (0.0, *averages, *packed[-OWN - 1 :])


class Moment(NamedTuple):
    """Where and when experts look from.

    ``last`` and ``back`` (the change since the step before) in demand; ``starts`` the rise of
    request starts as a share of both steps', from -1 to 1; ``opened`` what the sessions that open
    now amount to beyond ``last``, in demand (0: nobody tells); ``at_s`` the middle of the step;
    ``tenants`` the change that the sum over tenants says, in demand (NaN: it says nothing).
    """

    last: float
    back: float
    starts: float
    opened: float
    scale: float
    at_s: float
    step_s: float
    ahead_s: float
    tenants: float = math.nan


def look(levels: Levels, season: Season, moment: Moment) -> Look:
    """What the experts say at a moment."""
    last, scale = moment.last, moment.scale
    at_s, ahead_s = moment.at_s, moment.ahead_s
    unit = 1.0 / scale
    held = levels.averages
    found = [(average - last) * unit for average in held]
    found.append((levels.trend(ahead_s, moment.step_s) - last) * unit)
    found.append(moment.back * unit)
    daily = season.day(at_s - _LAG_S, at_s + ahead_s)
    weekly = season.week(at_s - _LAG_S, at_s + ahead_s)
    for change in (daily, weekly):
        found += [0.0 if change is None else change * held[_SHARED] * unit]
    found.append(moment.opened * unit)
    if max(found) > FURTHEST or min(found) < -FURTHEST:
        found = [min(max(value, -FURTHEST), FURTHEST) for value in found]
    *averages, trend, back, seasonal, of_week, opened = found
    # A time of day means nothing until a day was seen.
    seen = min(levels.age_s / DAY_S, 1.0)
    angle = 2.0 * math.pi * (at_s % DAY_S) / DAY_S
    begin, lowest = averages[_SEASONED], -last * unit
    return Look(
        changes=(
            0.0,
            *averages,
            trend,
            max(begin + seasonal, lowest),
            math.nan if weekly is None else max(begin + of_week, lowest),
            _within(moment.tenants * unit, lowest),
        ),
        features=(
            *averages,
            seasonal,
            back,
            moment.starts,
            opened,
            seen * math.sin(angle),
            seen * math.cos(angle),
        ),
    )


def _within(change: float, lowest: float) -> float:
    """A change that leaves no negative demand, and is no further than anybody's; NaN stays."""
    if math.isnan(change):
        return change
    return min(max(change, lowest, -FURTHEST), FURTHEST)
