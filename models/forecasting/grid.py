"""The grid of steps: how much of the past is kept from one step to the next.

Rule: memory is stated in seconds, never in calls, so that a grid of 10 s (live) and one of a
minute (a published trace) forget alike.
"""

from __future__ import annotations

from functools import lru_cache

LEAST_KEPT = 1e-6
"""Of the past, after however long a silence (of a half-life of half a day: ten days): of nothing
there is no inverse."""


@lru_cache(maxsize=64)
def keep(half_life_s: float, elapsed_s: float) -> float:
    """Weight kept over ``elapsed_s``: 0.5 ** (elapsed / half-life).  10 s of 60 s: 0.891."""
    return float(0.5 ** (elapsed_s / half_life_s))


def gain(half_life_s: float, elapsed_s: float, age_s: float) -> float:
    """Weight of a new value in an average that is ``age_s`` old with it.

    Weights so far sum to 1 - 0.5 ** (age / half-life); divided by it they sum to one, so that the
    first value is the average.
    """
    return (1.0 - keep(half_life_s, elapsed_s)) / float(1.0 - 0.5 ** (age_s / half_life_s))
