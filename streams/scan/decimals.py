"""Decimals: many numbers written as digits, to the nearest double each, as ``float`` would.

Rule: correctly rounded, or said to be unsure; never one place off.
Used by the walk (``streams.scan.walk``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.columns import Floats, Ints

MOST_DIGITS = 18
"""Digits of a number, at most: below 2**63."""

POWERS = 10 ** np.arange(MOST_DIGITS + 1, dtype=np.int64)
_FLOAT_POWERS = np.array([float(10**k) for k in range(MOST_DIGITS + 1)])
"""Exact: 10**22 is the largest power of ten that a double holds exactly."""

_EXACT = 1 << 53
_SPLIT = float((1 << 27) + 1)
_DOUBT = 2.0**-40


def nearest(digits: Ints, places: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """``digits / 10**places``, and for which of them the last bit is not certain.

    Two doubles that are exact give the nearest quotient in one division (Clinger, PLDI 1990,
    "How to read floating point numbers accurately"); larger digits are divided with a second
    double for what the first leaves, which settles all but near-ties.

    >>> nearest(np.array([123, 17640975121234567]), np.array([2, 7]))[0].tolist()
    [1.23, 1764097512.1234567]
    """
    powers = _FLOAT_POWERS[places]
    found = digits.astype(np.float64)
    found /= powers
    unsure = np.zeros(len(digits), np.bool_)
    if len(digits) and int(digits.max()) > _EXACT:
        long = np.flatnonzero(digits > _EXACT)
        found[long], unsure[long] = _divided(digits[long], powers[long])
    return found, unsure


def _divided(digits: Ints, powers: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    high = digits.astype(np.float64)
    low = (digits - high.astype(np.int64)).astype(np.float64)
    quotient = high / powers
    product = quotient * powers
    rest = ((high - product) - _error(quotient, powers, product)) + low
    more = rest / powers
    # Rounding never falls: where both ends of the doubt round alike, so does the truth.
    upper, lower = quotient + more * (1 + _DOUBT), quotient + more * (1 - _DOUBT)
    return upper, upper != lower


def _error(a: Floats, b: Floats, product: Floats) -> Floats:
    """What ``a * b`` is more than ``product``, exactly (Dekker, 1971)."""
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    found: Floats = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return found


def _halves(a: Floats) -> tuple[Floats, Floats]:
    scaled = a * _SPLIT
    high = scaled - (scaled - a)
    return high, a - high
