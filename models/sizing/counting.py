"""Counting noise: few requests do not tell a rate, and a mean of more steps tells it better.

Rule: what a request's patience averages away is neither bought for nor held against a forecast.
"""

from __future__ import annotations

import math

SURE = 1000
"""Requests that are enough to know a rate to 3 % (1/√n), so that noise is not bought for."""

MOST_STEPS = 6
"""And no more steps than this are averaged for it."""

ABSOLUTE = 2.0 / math.pi
"""Square of a normal's mean absolute deviation, over its variance: scales are the former."""

LEAST_LEFT = 0.1
"""Of the square of a scale: traffic is never taken to be noise alone."""


def steps_to_know(requests: float, patience_steps: int) -> int:
    """Steps, 1 or more, that make ``SURE`` requests at so many a step; none beyond patience.

    >>> steps_to_know(250.0, 6)
    4
    """
    most = min(MOST_STEPS, max(patience_steps, 1))
    if requests <= 0:
        return 1
    return most if requests * most <= SURE else math.ceil(SURE / requests)


def averaged(scale: float, centre: float, apiece: float, steps: int) -> float:
    """The scale of misses of a mean of ``steps``, from ``scale`` of misses of one step.

    Both and ``centre`` are demand, ``apiece`` is what a request of a step adds to its demand.  The
    variance of a Poisson count of ``centre`` / ``apiece`` requests is ``centre`` · ``apiece`` in
    demand; of it 1/``steps`` is left in the mean, and all of the rest.

    >>> round(averaged(3.0, 20.0, 20.0 / 36.0, 6), 2)
    1.76
    """
    noise = ABSOLUTE * centre * apiece * (1.0 - 1.0 / steps)
    return math.sqrt(max(scale * scale - noise, LEAST_LEFT * scale * scale))
