"""Tolerance: a change too small to be worth a move is no change.

Rule: HPA's relative tolerance, per direction; unset, up is 0 (demand is already whole replicas)
and down is 10 %, HPA's default.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark

DOWN_DEFAULT = 0.1


def tolerance(replicas: int, context: Context) -> Mark | None:
    """Keep ``current`` when the change is within tolerance of it: 20 to 19 is 5 %, and kept."""
    current = context.current
    if current in {replicas, 0}:
        return None
    behavior = context.spec.behavior
    up = replicas > current
    given = (behavior.scale_up if up else behavior.scale_down).tolerance
    limit = given if given is not None else (0.0 if up else DOWN_DEFAULT)
    change = abs(replicas - current) / current
    if change > limit:
        return None
    return Mark(
        replicas=current,
        why=f"a change of {change:.1%} is within the tolerance of {limit:.0%}",
        reason=Reason.TOLERANCE,
        constraint="behavior.tolerance",
        limit=limit,
    )
