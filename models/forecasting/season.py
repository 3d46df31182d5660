"""The season: how demand moved at this time of day on the days before.

Rule: what is kept are moves from one slot to the next, not levels, so that a day with twice the
demand is no season; nothing is said of a time of day that was not seen; days fade by half.
Flow: Forecaster.close -> Season -> the seasonal expert and feature.
"""

from __future__ import annotations

import math
from array import array

DAY_S = 86_400

SLOT_S = 600
"""Of the profile: ten minutes, 144 a day; between the middles of slots it runs straight."""

KEPT = 0.5
"""Weight of the days before, against the newest one."""

SLOTS = DAY_S // SLOT_S

_UNSEEN = (b"", -1, 0.0, 0, math.nan)


class Season:
    """Moves of demand over the day."""

    __slots__ = ("_before", "_count", "_moves", "_slot", "_sum")

    def __init__(self, state: tuple[bytes, int, float, int, float] = _UNSEEN) -> None:
        """``state`` is what ``state`` gave."""
        self._moves = array("f", state[0]) or array("f", [math.nan]) * SLOTS
        """From the middle of the slot before to the middle of this one; NaN: not seen."""
        self._slot, self._sum, self._count, self._before = state[1:]
        """The slot that is being seen (counted from time 0), sum and count of its values, and
        the mean of the one before it (NaN: not seen)."""

    def state(self) -> tuple[bytes, int, float, int, float]:
        """What ``__init__`` takes; empty bytes: no move was seen."""
        seen = not all(map(math.isnan, self._moves))
        moves = self._moves.tobytes() if seen else b""
        return moves, self._slot, self._sum, self._count, self._before

    def add(self, at_s: float, value: float) -> None:
        """A value of the step whose middle is ``at_s`` (seconds; days are its multiples)."""
        slot = int(at_s // SLOT_S)
        if slot != self._slot:
            mean = self._sum / self._count if self._count else math.nan
            level = mean + self._before
            move = 2.0 * (mean - self._before) / level if level else level
            if not math.isnan(move):
                place = self._slot % SLOTS
                before = self._moves[place]
                self._moves[place] = (
                    move if math.isnan(before) else KEPT * before + (1.0 - KEPT) * move
                )
            self._before = mean if slot == self._slot + 1 else math.nan
            self._slot, self._sum, self._count = slot, 0.0, 0
        self._sum += value
        self._count += 1

    def change(self, from_s: float, to_s: float) -> float | None:
        """How much demand moved from ``from_s`` to ``to_s`` on the days before; None: unseen."""
        begin, end = from_s / SLOT_S - 0.5, to_s / SLOT_S - 0.5
        first, last = math.floor(begin), math.floor(end)
        moves = self._moves
        if first == last:
            found = (end - begin) * moves[(first + 1) % SLOTS]
        else:
            found = (first + 1 - begin) * moves[(first + 1) % SLOTS]
            for slot in range(first + 2, last + 1):
                found += moves[slot % SLOTS]
            found += (end - last) * moves[(last + 1) % SLOTS]
        return None if math.isnan(found) else found
