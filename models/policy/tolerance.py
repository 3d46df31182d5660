"""Tolerance: a change too small to be worth a move is no change.

Rule: HPA's relative tolerance, per direction; unset, up is 0 (demand is already whole replicas)
and down is 5 %: HPA's 10 % was up to a twentieth dearer in the laboratory (docs/results.md).
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.domain.spec import Behavior
from models.policy.context import Context, Mark
from models.serves import Serves, change

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


def tolerated(
    replicas: int, current: int, behavior: Behavior, serves: Serves | None = None
) -> bool:
    """Whether the change is within tolerance: 20 to 19 is 5 %, and is."""
    limit = limit_of(replicas, current, behavior)
    return current != 0 and change(replicas, current, serves) <= limit


def tolerance(replicas: int, context: Context) -> Mark | None:
    """Keep ``current`` when the change is within tolerance of it."""
    current, behavior, serves = context.current, context.spec.behavior, context.serves
    if current == replicas or not tolerated(replicas, current, behavior, serves):
        return None
    limit = limit_of(replicas, current, behavior)
    return Mark(
        replicas=current,
        why=(
            f"a change of {change(replicas, current, serves):.1%} is within the tolerance of "
            f"{limit:.0%}"
        ),
        reason=Reason.TOLERANCE,
        constraint="behavior.tolerance",
        limit=limit,
    )
