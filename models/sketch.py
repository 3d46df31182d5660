"""Latency sketch: counts in logarithmic buckets with integer index; merges in any order.

Rule: a quantile read from it is within ``ACCURACY`` of a true one (DDSketch: Masson, Rim, Lee,
VLDB 2019); bucket i holds (GAMMA**(i-1), GAMMA**i] microseconds.
Used by aggregate (fold) and plan (read).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

ACCURACY = 0.02
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)

LARGEST_US = 1_000_000_000_000
"""The longest latency there is, microseconds: eleven days."""

_BOUNDS = [math.floor(GAMMA**index) for index in range(math.ceil(math.log(LARGEST_US, GAMMA)) + 1)]
"""The largest whole microsecond in each bucket: integers, so that no rounding decides."""

BUCKETS = len(_BOUNDS)
"""Number of buckets."""

_BOUNDS_ARRAY = np.array(_BOUNDS, np.int64)
_BOUNDS_BEFORE = np.array([-1, *_BOUNDS[:-1]], np.int64)
_PER_LOG = 1 / math.log(GAMMA)


def bucket(latency_us: int) -> int:
    """Index of the bucket of a latency in microseconds; below 1 microsecond it is 0.

    >>> bucket(840_000)
    341
    """
    return bisect_left(_BOUNDS, latency_us)


def buckets(latencies_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """``bucket`` of each of an array; none above ``LARGEST_US``."""
    # The logarithm is right but for the last bits of it; the bounds decide.
    near = np.log(np.maximum(latencies_us, 1)) * _PER_LOG
    found = np.minimum(near.astype(np.int64), BUCKETS - 1)
    found += _BOUNDS_ARRAY[found] < latencies_us
    found -= _BOUNDS_BEFORE[found] >= latencies_us
    return found


def seconds(index: int) -> float:
    """The latency in seconds that stands for a bucket, at most ``ACCURACY`` off.

    >>> round(seconds(341), 3)
    0.823
    """
    return 2.0 * GAMMA**index / (GAMMA + 1.0) / 1e6


def quantile(counts: Mapping[int, int], level: float) -> float | None:
    """The latency in seconds at ``level`` (0 to 1); None when there are no counts."""
    total = sum(counts.values())
    if total == 0:
        return None
    # The smallest value whose rank reaches level * total, as numpy's "inverted_cdf".
    rank = max(math.ceil(level * total), 1)
    seen = 0
    index = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= rank:
            break
    return seconds(index)


def slower(counts: Mapping[int, int], limit_s: float) -> int:
    """How many of the counted latencies lie above ``limit_s``, to the bucket's accuracy."""
    limit = bucket(round(limit_s * 1e6))
    return sum(count for index, count in counts.items() if index > limit)
