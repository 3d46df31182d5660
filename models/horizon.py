"""Horizon: how far ahead to look, from how long this workload's replicas really take to start.

Rule: by variant, the 90th percentile of the start-ups seen since they last changed; a stated prior
until there are any.  Of several variants the slowest counts, as nobody knows which will be asked.
Fed by ReplicaReport.started_s; read by the forecaster and the policy.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from models.domain.load import DEFAULT_VARIANT

PRIOR_S = 30.0
"""Start-up assumed before one has been seen: the median base-model load published for a real
diffusion-serving fleet is 22.7 s, its 95th percentile 45.4 s (Alibaba GenTD26)."""

LONGEST_S = 3600.0
"""A start-up counts as no longer: a pod that was pending for days says nothing of the next."""

KEPT = 30
"""Start-ups of a variant remembered at most."""

VARIANTS = 8
"""Variants remembered; the one not heard of for longest makes room."""

NEWEST = range(4, 11)
"""So many of the newest start-ups are held against those before them."""

LEAST_BEFORE = 4
"""Fewer are nothing to hold them against."""

CHANGED = 2.8
"""Deviations of the rank sum between the newest and those before that make a changed release."""


class StartUp:
    """Start-up times of one workload."""

    __slots__ = ("_seconds", "seen")

    def __init__(self, seen: Mapping[str, list[float]] | None = None) -> None:
        """``seen`` by variant, oldest first, seconds."""
        self.seen: dict[str, list[float]] = dict(seen or {})
        """By variant, the one heard of last at the end."""
        self._seconds = {name: _percentile(held) for name, held in self.seen.items()}

    def observe(self, started_s: float, variant: str = DEFAULT_VARIANT) -> None:
        """One replica took ``started_s`` seconds from being asked for to being ready."""
        held = [*self.seen.pop(variant, []), min(started_s, LONGEST_S)][-KEPT:]
        held = held[-since_change(held) :]
        self.seen[variant] = held
        self._seconds[variant] = _percentile(held)
        if len(self.seen) > VARIANTS:
            oldest = next(iter(self.seen))
            del self.seen[oldest], self._seconds[oldest]

    @property
    def known(self) -> bool:
        """Whether any start-up has been seen."""
        return bool(self.seen)

    def seconds(self, variants: Iterable[str] = ()) -> float:
        """The 90th percentile seen (nearest rank) of the slowest of ``variants``, or the prior.

        Of 10, 20, ... 100 s it is 90 s.  Where none of them has started yet, the slowest of all
        that have.
        """
        known = self._seconds
        if not known:
            return PRIOR_S
        return max([known[name] for name in variants if name in known] or known.values())


def since_change(held: list[float]) -> int:
    """How many of ``held``, oldest first, are of the release that starts now.

    Mann and Whitney's rank sum (Annals of Mathematical Statistics 18, 1947) of the newest 4 to 10
    against those before, with the normal approximation; where it is 2.8 deviations or more off,
    those before are of another release.  Twenty of 60 s and four of 20 s are 3.1 off: 4.
    """
    for newest in NEWEST:
        before = len(held) - newest
        if before < LEAST_BEFORE:
            break
        older = sorted(held[:before])
        wins = sum(
            (bisect_left(older, value) + bisect_right(older, value)) / 2.0
            for value in held[before:]
        )
        pairs = newest * before
        spread = math.sqrt(pairs * (len(held) + 1) / 12.0)
        if abs(wins - pairs / 2.0) >= CHANGED * spread:
            return newest
    return len(held)


def _percentile(held: list[float]) -> float:
    ordered = sorted(held)
    return ordered[-(-len(ordered) * 9 // 10) - 1]
