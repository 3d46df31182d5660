"""Bounds: never outside the user's minimum and maximum.

Rule: the last guard, so that nothing after it can undo it.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark


def bounds(replicas: int, context: Context) -> Mark | None:
    """Clamp to ``spec.replicas``: 9 with a maximum of 6 is 6."""
    limits = context.spec.replicas
    if replicas > limits.max:
        kept, name, limit = limits.max, "replicas.max", limits.max
    elif replicas < limits.min:
        kept, name, limit = limits.min, "replicas.min", limits.min
    else:
        return None
    return Mark(
        replicas=kept, why=f"{name} is {limit}", reason=Reason.BOUNDS, constraint=name, limit=limit
    )
