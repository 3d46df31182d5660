"""Wish: what one workload would have before any guard, and what it is wished for.

Rule: the numbers travel, and words are made of them only where somebody is told.
Flow: Scaler -> guards -> explanation.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from models.domain.decision import Reason
from models.sizing.ramp import ahead_s

Kind = Literal[
    "short",
    "newest",
    "ramp",
    "ahead",
    "untold",
    "quiet",
    "unknown",
    "piling",
    "growing",
    "waiting",
    "slow",
]


BY_DEMAND = frozenset({"short", "newest", "ramp", "ahead"})
"""Kinds whose ``value`` is the demand that is sized for."""


class Wish(NamedTuple):
    """``value`` is what ``kind`` speaks of: demand, seconds of silence, or a latency."""

    replicas: int
    reason: Reason
    kind: Kind
    value: float = 0.0


class Terms(NamedTuple):
    """What the words of a wish are made with: ``per`` says what a replica serves."""

    unit: str
    per: str
    horizon_s: float
    margin: float
    level: float
    slo_s: float


def words(wish: Wish, terms: Terms) -> str:
    """Why so many were wished for."""
    value, unit, per = wish.value, terms.unit, terms.per
    return {
        "short": f"{value:.2f} {unit} now, {per}; no forecast yet",
        "newest": f"{value:.2f} {unit} in the last seconds, {per}",
        "ramp": f"{value:.2f} {unit} in {ahead_s(terms.horizon_s):.0f} s if its rise goes on, "
        f"{per}",
        "ahead": f"{value:.2f} {unit} in {terms.horizon_s:.0f} s, {terms.margin:g} scales above "
        f"the centre, {per}",
        "untold": f"requests do not tell what they come to ({unit}), known are {value:.2f}: no "
        "scale-in",
        "quiet": f"nothing to do for {value:.0f} s",
        "unknown": per,
        "piling": f"slow requests, or more that start than end: no scale-in; {per}",
        "growing": f"more requests start than end; {per}",
        "waiting": "waiting for the last step's effect",
        "slow": f"p{terms.level * 100:.3g} latency {value:.2f} s, SLO {terms.slo_s:g} s",
    }[wish.kind]
