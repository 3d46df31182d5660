"""Bounds: never outside the user's minimum and maximum, as schedules have them at this moment.

Rule: the last guard, so that nothing after it can undo it.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark


def bounds(replicas: int, context: Context) -> Mark | None:
    """Clamp to ``context.limits``: 9 with a maximum of 6 is 6."""
    limits = context.limits
    if replicas > limits.max:
        kept, name = limits.max, limits.max_by
    elif replicas < limits.min:
        kept, name = limits.min, limits.min_by
    else:
        return None
    reason = Reason.SCHEDULE if name.startswith("schedules") else Reason.BOUNDS
    return Mark(replicas=kept, why=f"{name} is {kept}", reason=reason, constraint=name, limit=kept)
