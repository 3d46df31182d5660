"""Tolerance: a change too small to be worth a move is no change.

Rule: HPA's relative tolerance, per direction; unset, up is 0 (demand is already whole replicas)
and down is 5 %: HPA's 10 % was up to a twentieth dearer in the laboratory (docs/results.md).
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.domain.spec import Behavior
from models.policy.context import Context, Mark

DOWN_DEFAULT = 0.05


def limit_of(replicas: int, current: int, behavior: Behavior) -> float:
    """The tolerance in the direction from ``current`` to ``replicas``, a share of ``current``."""
    if replicas <= current:
        return down(behavior)
    return behavior.scale_up.tolerance or 0.0


def down(behavior: Behavior) -> float:
    """The tolerance for scale-in, a share."""
    given = behavior.scale_down.tolerance
    return DOWN_DEFAULT if given is None else given


def tolerated(replicas: int, current: int, behavior: Behavior) -> bool:
    """Whether the change is within tolerance: 20 to 19 is 5 %, and is."""
    return current != 0 and abs(replicas - current) / current <= limit_of(
        replicas, current, behavior
    )


def tolerance(replicas: int, context: Context) -> Mark | None:
    """Keep ``current`` when the change is within tolerance of it."""
    current, behavior = context.current, context.spec.behavior
    if current == replicas or not tolerated(replicas, current, behavior):
        return None
    limit = limit_of(replicas, current, behavior)
    change = abs(replicas - current) / current
    return Mark(
        replicas=current,
        why=f"a change of {change:.1%} is within the tolerance of {limit:.0%}",
        reason=Reason.TOLERANCE,
        constraint="behavior.tolerance",
        limit=limit,
    )
