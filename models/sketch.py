"""Latency sketch: counts in logarithmic buckets with integer index; merges in any order.

Rule: a quantile read from it is within ``ACCURACY`` of a true one (DDSketch: Masson, Rim, Lee,
VLDB 2019); bucket i holds (GAMMA**(i-1), GAMMA**i] microseconds.
Used by aggregate (fold) and plan (read).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

ACCURACY = 0.02
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_PER_LOG = 1.0 / math.log(GAMMA)


def bucket(latency_us: int) -> int:
    """Index of the bucket of a latency in microseconds; below 1 microsecond it is 0.

    >>> bucket(840_000)
    341
    """
    return math.ceil(math.log(latency_us) * _PER_LOG) if latency_us > 1 else 0


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
