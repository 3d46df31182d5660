"""Serves: what replicas of one workload serve within the SLO, of one kind or of several.

Rule: of several variants those that ``models.variants.split`` says take more replicas, or give them
up; so many are asked for as it takes of these, and not of a mean one.
Flow: Mix -> Serves -> by_demand, alternatives of a decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.domain.load import ReplicaGauge
from models.domain.spec import MOST_REPLICAS, Variant
from models.variants import split


class Serves(NamedTuple):
    """In demand's unit: ``each`` is of one replica, the mean of those that are desired.

    ``counted``, by variant, is empty where all are of one kind; ``variants`` and ``reported`` are
    as the spec and the platform say.
    """

    each: float
    counted: Mapping[str, float] = {}
    variants: Sequence[Variant] = ()
    reported: Mapping[str, ReplicaGauge] = {}

    def of(self, replicas: int) -> float:
        """What ``replicas`` would serve, as they would be split."""
        if not self.counted:
            return replicas * self.each
        parts = split(replicas, self.variants, self.reported)
        return math.fsum(self.counted[name] * number for name, number in parts.items())

    def needed(self, demand: float) -> int:
        """The fewest replicas that serve ``demand``, of those that there are and the next to come.

        2 of ``a`` at 8 and 3 of ``b`` at 4 serve 28: for 36 it is one ``a`` more, 6; for 20 two
        ``b`` fewer, 3.
        """
        if not self.counted:
            return replicas_for(demand, self.each)
        there = {
            each.name: self.reported[each.name].desired if each.name in self.reported else 0
            for each in self.variants
        }
        total = sum(there.values())
        missing = demand - math.fsum(self.counted[name] * number for name, number in there.items())
        if missing > 0:
            for variant in self.variants:
                each, held = self.counted[variant.name], there[variant.name]
                more = replicas_for(missing, each)
                if variant.max is None or held + more <= variant.max:
                    return min(total + more, MOST_REPLICAS)
                taken = max(variant.max - held, 0)
                total, missing = total + taken, missing - taken * each
            return min(total + replicas_for(missing, self.each), MOST_REPLICAS)
        for variant in reversed(self.variants):
            each, held = self.counted[variant.name], there[variant.name]
            fewer = min(math.floor(-missing / each + 1e-9), max(held - variant.min, 0))
            total, missing = total - fewer, missing + fewer * each
            if fewer < held - variant.min:
                break
        return total


def change(replicas: int, current: int, serves: Serves | None = None) -> float:
    """How much of what ``current`` replicas serve, above 0, is more or less with ``replicas``.

    20 to 19 is 0.05 where all serve the same, or where that is not known; 0.02 where what is given
    up serves two fifths of the mean.
    """
    if serves is None or not serves.counted:
        return abs(replicas - current) / current
    whole = serves.of(current)
    return abs(serves.of(replicas) - whole) / whole if whole else math.inf


def replicas_for(demand: float, capacity: float) -> int:
    """ceil(demand / capacity), with room for the rounding of sums: 16.000000001 / 8 is 2.

    At most ``MOST_REPLICAS``: no demand and no capacity make it more than a number.
    """
    return math.ceil(min(demand / capacity, MOST_REPLICAS) - 1e-9)
