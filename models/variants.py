"""Variants: which of a workload's targets get how many of its replicas.

Rule: the first variant takes what the others do not already have; sharing by cost and capacity is
the allocator's.
Flow: Scaler's number -> split -> State of a decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.domain.load import DEFAULT_VARIANT, ReplicaGauge
from models.domain.spec import Variant


def split(
    total: int, variants: Sequence[Variant], reported: Mapping[str, ReplicaGauge]
) -> dict[str, int]:
    """``total`` replicas by variant, with what is ``reported`` left where it is if it can be.

    Of 5 for ``a`` and ``b``, of which ``b`` has 2, ``a`` gets 3; of 1, ``a`` keeps nothing and
    ``b`` 1.  What variants' bounds leave no place for is in none.
    """
    if len(variants) <= 1:
        return {variants[0].name if variants else DEFAULT_VARIANT: total}
    names = [variant.name for variant in variants]
    found = {name: reported[name].desired if name in reported else 0 for name in names}
    over = total - sum(found.values())
    for variant in variants if over > 0 else reversed(variants):
        held = found[variant.name]
        most = over if variant.max is None else variant.max - held
        take = min(over, max(most, 0)) if over > 0 else max(over, min(variant.min - held, 0))
        found[variant.name] += take
        over -= take
    return found
