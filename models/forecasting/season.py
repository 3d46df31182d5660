"""The season: how demand moved at this time of day, and of the week, before.

Rule: what is kept are moves from one slot to the next, not levels, so that a day with twice the
demand is no season; nothing is said of a time that was not seen; days and weeks fade by half.
Flow: Forecaster.close -> Season -> the seasonal experts and feature.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from models.forecasting.moves import between, blend, folded, unfolded

DAY_S = 86_400
WEEK_S = 7 * DAY_S

SLOT_S = 600
"""Of a profile: ten minutes; between the middles of slots it runs straight."""

_DAY = DAY_S // SLOT_S
_WEEK = WEEK_S // SLOT_S


class SeasonState(NamedTuple):
    """What is kept of the season; slots are counted from time 0.

    ``codes`` of the day's moves and then of the week's, folded (``moves.py``), by slots since
    ``first``, the slot of the first value.  ``slot`` is the one that is being seen (-1: none yet),
    ``seen`` values of it have a sum of ``total``, ``before`` is the mean of the one before it (NaN:
    not seen), and ``owed`` what rounding owes the day and the week (``moves.blend``).
    """

    codes: bytes = b""
    first: int = 0
    slot: int = -1
    total: float = 0.0
    seen: int = 0
    before: float = math.nan
    owed: tuple[float, float] = (0.0, 0.0)


UNSEEN = SeasonState()


class Season:
    """Moves of demand over the day and the week."""

    __slots__ = ("_before", "_day", "_first", "_owed", "_seen", "_slot", "_total", "_week")

    def __init__(self, state: SeasonState = UNSEEN) -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        self._first, self._slot, self._total, self._seen, self._before, self._owed = state[1:]
        both = unfolded(state.codes)
        self._day, self._week = both[:_DAY], both[_DAY:]
        """The week is empty until a day is over: it would be the day once more."""

    def state(self) -> SeasonState:
        """What ``__init__`` takes."""
        return SeasonState(
            folded(self._day + self._week),
            self._first,
            self._slot,
            self._total,
            self._seen,
            self._before,
            self._owed,
        )

    def add(self, at_s: float, value: float) -> None:
        """A value of the step whose middle is ``at_s`` (seconds; days are its multiples)."""
        slot = int(at_s // SLOT_S)
        if slot != self._slot:
            self._begin(slot)
        self._total += value
        self._seen += 1

    def _begin(self, slot: int) -> None:
        """``slot`` begins, and the one that was being seen, if there is one, is over."""
        if self._seen:
            mean = self._total / self._seen
            level = mean + self._before
            move = 2.0 * (mean - self._before) / level if level else level
            if math.isnan(move):
                self._owed = 0.0, 0.0
            else:
                self._moved(self._slot - self._first, move)
            self._before = mean if slot == self._slot + 1 else math.nan
        else:
            self._first = slot
        self._slot, self._total, self._seen = slot, 0.0, 0

    def _moved(self, since: int, move: float) -> None:
        """A move to the slot that is ``since`` after the first one."""
        of_day, of_week = self._owed
        if since >= _DAY:
            if not self._week:
                self._day.extend(bytes(_DAY - len(self._day)))
                self._week += self._day
                of_week = of_day
            of_week = blend(self._week, since % _WEEK, move, of_week)
        self._owed = blend(self._day, since % _DAY, move, of_day), of_week

    def day(self, from_s: float, to_s: float) -> float | None:
        """How much demand moved from ``from_s`` to ``to_s`` on the days before; None: unseen.

        A share of the level: from 100 to 110 it is 0.095.
        """
        return self._change(self._day, _DAY, from_s, to_s)

    def week(self, from_s: float, to_s: float) -> float | None:
        """The same in the weeks before, at this time of the week."""
        return self._change(self._week, _WEEK, from_s, to_s)

    def _change(self, codes: bytearray, slots: int, from_s: float, to_s: float) -> float | None:
        if not codes:
            return None
        middle = self._first + 0.5
        return between(codes, slots, from_s / SLOT_S - middle, to_s / SLOT_S - middle)
