"""Candidates: the policies that are scored side by side, a margin times a scale-in window each.

Rule: a candidate wishes for the highest of what is there now, the forecast's centre plus its
margin in scales, and a ramp that goes on; it gives back what no wish of its window asked for.
Columns of every array here are margins, rows are windows.
"""

from __future__ import annotations

import numpy as np

MARGINS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0])
"""Above the centre, in scales of the forecaster's residuals."""

WINDOWS_S = np.array([60, 300, 900, 1800])
"""Scale-in stabilisation; HPA's default is 300 s."""

SHAPE = (len(WINDOWS_S), len(MARGINS))

COUNT = SHAPE[0] * SHAPE[1]

HELD_SHARE = np.array([1.0, 0.6, 0.45, 0.35])
"""What is left of violations by a longer window, which still holds what an earlier wish asked."""

TAIL = np.round(0.5 * np.exp(-2.0 * MARGINS)[None, :] * HELD_SHARE[:, None], 12)
"""Missed of a candidate before anything was seen, ``SHAPE``: a tail between Laplace's and the
normal one.  Of a margin of 2 and a window of 300 s it is 0.5 %; weeks of Azure, ServeGen and the
World Cup have 3 to 4 % there, most of it in a few hours: it is what a day without such an hour
misses.  Rounded, so that it is the same number whatever a machine's exponential ends in."""

MARGIN_COST = 0.08
"""What a scale of margin is taken to cost before it is known: this share of demand."""


def numbered(row: int, column: int) -> int:
    """The number of a candidate."""
    return row * SHAPE[1] + column


def named(number: int) -> tuple[float, int]:
    """(margin in scales, window in seconds) of a candidate.

    >>> named(0)
    (0.0, 60)
    """
    row, column = divmod(number, SHAPE[1])
    return float(MARGINS[column]), int(WINDOWS_S[row])


def nearest(window_s: float) -> int:
    """The row of the longest window that is no longer than ``window_s``; the first if none is."""
    return max(int(np.searchsorted(WINDOWS_S, window_s, side="right")) - 1, 0)


def moved_to(number: int, row: int) -> int:
    """The candidate of the same margin in another row."""
    return numbered(row, number % SHAPE[1])
