"""The season: what demand did at this time of day on the days before.

Rule: nothing is said of a time of day that was not seen; days fade by half, so that a new habit
is learned in a few of them.
Flow: Forecaster.close -> Season -> the seasonal expert and feature.
"""

from __future__ import annotations

import math
from array import array

DAY_S = 86_400

SLOT_S = 600
"""Of the profile: ten minutes, 144 a day; between their middles it runs straight."""

KEPT = 0.5
"""Weight of the days before, against the newest one."""

SLOTS = DAY_S // SLOT_S


class Season:
    """A profile of the day, in demand."""

    __slots__ = ("_count", "_profile", "_slot", "_sum")

    def __init__(self, state: tuple[bytes, int, float, int] = (b"", -1, 0.0, 0)) -> None:
        """``state`` is what ``state`` gave."""
        self._profile = array("f", state[0]) or array("f", [math.nan]) * SLOTS
        self._slot, self._sum, self._count = state[1:]
        """The slot that is being seen, and the sum and count of its values."""

    def state(self) -> tuple[bytes, int, float, int]:
        """What ``__init__`` takes; empty bytes: no slot was seen."""
        seen = any(value == value for value in self._profile)  # noqa: PLR0124 - NaN is not
        return self._profile.tobytes() if seen else b"", self._slot, self._sum, self._count

    def add(self, at_s: float, value: float) -> None:
        """A value of the step whose middle is ``at_s`` (seconds; days are its multiples)."""
        slot = int(at_s % DAY_S) // SLOT_S
        if slot != self._slot:
            if self._count:
                mean = self._sum / self._count
                before = self._profile[self._slot]
                known = before == before  # noqa: PLR0124 - NaN is not
                self._profile[self._slot] = (
                    KEPT * before + (1.0 - KEPT) * mean if known else mean
                )
            self._slot, self._sum, self._count = slot, 0.0, 0
        self._sum += value
        self._count += 1

    def change(self, from_s: float, to_s: float) -> float | None:
        """How much more demand the days before had at ``to_s`` than at ``from_s``; None: unseen."""
        change = self._at(to_s) - self._at(from_s)
        return change if change == change else None  # noqa: PLR0124 - NaN is not

    def _at(self, at_s: float) -> float:
        place = (at_s % DAY_S) / SLOT_S - 0.5
        below = math.floor(place)
        share = place - below
        profile = self._profile
        return profile[below % SLOTS] * (1.0 - share) + profile[(below + 1) % SLOTS] * share
