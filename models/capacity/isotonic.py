"""Shares that rise with load: the isotonic fit, and how sure one may be of a share.

Rule: formulas only; each names its source.
Used by Relation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

Z95 = 1.6448536269514722
"""The 0.95 quantile of the standard normal: bounds are one-sided, at 95 %."""


def upper(over: float, count: float) -> float:
    """The 95 % upper bound of a share of which ``over`` of ``count`` were seen (0 to 1).

    Wilson's score interval (JASA 22, 1927).  None of 268 is 1.0 %, 1 of 268 is 1.7 %; of nothing
    it is 1.
    """
    return _wilson(over, count, Z95) if count > 0 else 1.0


def lower(over: float, count: float) -> float:
    """The 95 % lower bound: 5 of 100 are 2.4 %; of nothing it is 0."""
    return max(_wilson(over, count, -Z95), 0.0) if count > 0 else 0.0


def _wilson(over: float, count: float, z: float) -> float:
    share, square = over / count, z * z
    spread = z * math.sqrt(share * (1.0 - share) / count + square / (4.0 * count * count))
    return (share + square / (2.0 * count) + spread) / (1.0 + square / count)


def isotonic(over: Sequence[float], count: Sequence[float]) -> list[float]:
    """The shares ``over / count``, made to rise: the least-squares fit weighted by ``count``.

    Pool adjacent violators (Ayer, Brunk, Ewing, Reid, Silverman, Annals of Mathematical
    Statistics 26, 1955).  Counts are above 0.  0, 3, 1 and 8 of 10 each are 0, 0.2, 0.2, 0.8.
    """
    blocks: list[tuple[float, float, int]] = []
    for block in zip(over, count, itertools.repeat(1), strict=False):
        pooled = block
        while blocks and blocks[-1][0] * pooled[1] > pooled[0] * blocks[-1][1]:
            before = blocks.pop()
            pooled = (pooled[0] + before[0], pooled[1] + before[1], pooled[2] + before[2])
        blocks.append(pooled)
    return [hits / number for hits, number, length in blocks for _ in range(length)]
