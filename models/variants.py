"""Variants: which of a workload's targets get how many of its replicas.

Rule: the first variant takes what the others do not already have; sharing by cost and capacity is
the allocator's.
Flow: reports -> counted -> Scaler; Scaler's number -> split -> State of a decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.domain.load import DEFAULT_VARIANT, ReplicaGauge
from models.domain.spec import ScalerSpec, Variant


class Counted(NamedTuple):
    """Replicas of all variants, as the platform reports them."""

    desired: int
    ready: int
    starting: int


def counted(reported: Mapping[str, ReplicaGauge]) -> Counted:
    """Their sums."""
    desired = ready = starting = 0
    for gauge in reported.values():
        desired += gauge.desired
        ready += gauge.ready
        starting += gauge.starting
    return Counted(desired, ready, starting)


def names(spec: ScalerSpec) -> tuple[str, ...]:
    """Names that replicas are reported by."""
    return tuple(variant.name for variant in spec.variants) or (DEFAULT_VARIANT,)


def split(
    total: int, variants: Sequence[Variant], reported: Mapping[str, ReplicaGauge]
) -> dict[str, int]:
    """``total`` replicas by variant, with what is ``reported`` left where it is if it can be.

    Of 5 for ``a`` and ``b``, of which ``b`` has 2, ``a`` gets 3; of 1, ``a`` keeps nothing and
    ``b`` 1.  What variants' bounds leave no place for is in none.
    """
    if len(variants) <= 1:
        return {variants[0].name if variants else DEFAULT_VARIANT: total}
    found = {
        variant.name: reported[variant.name].desired if variant.name in reported else 0
        for variant in variants
    }
    over = total - sum(found.values())
    for variant in variants if over > 0 else reversed(variants):
        held = found[variant.name]
        most = over if variant.max is None else variant.max - held
        take = min(over, max(most, 0)) if over > 0 else max(over, min(variant.min - held, 0))
        found[variant.name] += take
        over -= take
    return found
