"""Additive Holt-Winters with given smoothing: what statsmodels' ExponentialSmoothing computes.

Rule: initial states by Hyndman et al. (2008, section 2.6.1: centred moving average, seasonal means,
a line through the first ten trend values), as statsmodels does for ``estimated`` with
``optimized=False``; pure, one pass, O(n).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

LINE = 10
"""Trend values that the initial line goes through."""
MOST_CYCLES = 5


def fewest(season: int) -> int:
    """Values needed: two seasons, and ten trend values after the moving average has cut its ends.

    A season of 6 needs 16: 6 are lost at the ends.
    """
    return max(2 * season, LINE + 2 * (season // 2))


def forecast(
    values: Sequence[float], *, season: int, level: float, trend: float, seasonal: float
) -> float:
    """The value one step after ``values``.

    ``level``, ``trend`` and ``seasonal`` are the smoothing factors alpha, beta and gamma.
    Raises ``ValueError`` with fewer than ``fewest(season)`` values.
    """
    if len(values) < fewest(season):
        raise ValueError(f"{len(values)} values are fewer than {fewest(season)}")
    height, slope, seasons = initial(values, season)
    for index, value in enumerate(values):
        before = height + slope
        place = index % season
        old = seasons[place]
        new_height = level * (value - old) + (1 - level) * before
        slope = trend * (new_height - height) + (1 - trend) * slope
        seasons[place] = seasonal * (value - before) + (1 - seasonal) * old
        height = new_height
    return height + slope + seasons[len(values) % season]


def initial(values: Sequence[float], season: int) -> tuple[float, float, list[float]]:
    """Level, trend and seasonal states before the first value; the seasonal ones sum to 0."""
    cycles = max(
        min(MOST_CYCLES, len(values) // season),
        math.ceil((LINE + 2 * (season // 2)) / season),
    )
    used = values[: cycles * season]
    half = season // 2
    average = _centred(used, season)
    sums, counts = [0.0] * season, [0] * season
    for offset, mean in enumerate(average):
        place = (offset + half) % season
        sums[place] += used[offset + half] - mean
        counts[place] += 1
    seasons = [total / count for total, count in zip(sums, counts, strict=True)]
    centre = sum(seasons) / season
    height, slope = _line(average[:LINE])
    return height, slope, [state - centre for state in seasons]


def _centred(values: Sequence[float], season: int) -> list[float]:
    """Moving average over a season around each value; an even one counts its two ends half."""
    half = season // 2
    sums = [0.0, *accumulate(values)]
    last = len(values) - half
    if season % 2:
        return [(sums[i + half + 1] - sums[i - half]) / season for i in range(half, last)]
    return [
        (sums[i + half + 1] - sums[i - half] + sums[i + half] - sums[i - half + 1]) / (2 * season)
        for i in range(half, last)
    ]


def _line(values: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of the least-squares line, the first value at 1."""
    count = len(values)
    middle = (count + 1) / 2
    slope = sum((x - middle) * value for x, value in enumerate(values, 1))
    slope *= 12 / (count * (count * count - 1))
    return sum(values) / count - slope * middle, slope
