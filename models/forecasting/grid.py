"""The grid of steps: how much of the past is kept from one step to the next.

Rule: memory is stated in seconds, never in calls, so that a grid of 10 s (live) and one of a
minute (a published trace) forget alike.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=64)
def keep(half_life_s: float, elapsed_s: float) -> float:
    """Weight kept over ``elapsed_s``: 0.5 ** (elapsed / half-life).  10 s of 60 s: 0.891."""
    return float(0.5 ** (elapsed_s / half_life_s))
