"""Leads: what comes before demand: requests that start, and sessions that open.

Rule: a session that opens is so much demand to come, which is learned; where nobody tells of
sessions nothing is said of them, which is not that none opens.
Flow: DemandMeter -> Leads -> Forecaster -> Opened -> a feature of the residual model.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

from models.forecasting.grid import gain

RECENT_S = 90.0
"""Half-life of what opens now: 60 s sees crowds of sessions a little earlier, 120 to 300 s less
noise where there are none (docs/forecasting.md)."""

LONG_S = 43_200.0
"""Half-life of what a session amounts to: that of the residual model."""

MISSED = 8.0
"""Sessions that should have opened since the last one did, and then nobody tells of them any more:
by chance it is once in 3,000 such times (a Poisson count of 0 where 8 are expected)."""

SILENT_S = 3600.0
"""After so long it is so at any rate."""

_NUMBERS = 5
"""Of a state."""


class Leads(NamedTuple):
    """Of one step: requests started, and sessions opened; None: nobody tells of sessions."""

    starts: float = 0.0
    sessions: float | None = None


class Opened:
    """Averages of sessions opened a step, of now and of long, and of demand over the same."""

    __slots__ = ("_held",)

    def __init__(self, state: bytes = b"") -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        self._held = array("d", state)
        """Sessions now, sessions of long, demand of long, seconds told of, sessions missed since
        the last one; empty: nobody has told of sessions."""
        if len(self._held) not in {0, _NUMBERS}:
            raise ValueError(f"{len(self._held)} numbers are not the {_NUMBERS} of sessions")

    def state(self) -> bytes:
        """Everything, as 64-bit floats; empty where nobody has told of sessions."""
        return self._held.tobytes()

    def add(self, sessions: float | None, value: float, elapsed_s: float) -> None:
        """A step in which so many ``sessions`` opened and demand was ``value``; None: nobody said.

        Who has told of sessions and does not any more is missed, and from then on no average knows
        of it.
        """
        held = self._held
        if not held and not sessions:
            return
        if not held:
            held = self._held = array("d", bytes(8 * _NUMBERS))
        # After a crowd fewer open than did lately, and at night fewer than in the mean.
        expected = max(min(held[0], held[1]), MISSED * elapsed_s / SILENT_S)
        missed = held[4] >= MISSED
        held[4] = 0.0 if sessions else held[4] + expected
        if sessions is None or held[4] >= MISSED:
            return
        if missed:
            held[0] = held[1]  # What opened before they were missed is not what opens now.
        held[3] = told_s = held[3] + elapsed_s
        for place, half_life_s, told in (
            (0, RECENT_S, sessions),
            (1, LONG_S, sessions),
            (2, LONG_S, value),
        ):
            held[place] += gain(half_life_s, elapsed_s, told_s) * (told - held[place])

    def amount(self) -> float | None:
        """Demand that what opens now amounts to, if it goes on; None: nobody tells of sessions.

        With 2 sessions a step now, where 1 a step went with a demand of 30: 60.
        """
        held = self._held
        if not held or held[4] >= MISSED:
            return None
        return held[0] * held[2] / held[1]
