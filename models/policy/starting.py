"""Start-ups in flight: what was ordered is on its way, and does not count as missing.

Rule: where only latency speaks (capacity is not known), wait for what is starting before asking
for more; where demand speaks, the number is absolute and needs no such patience.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark


def starting(replicas: int, context: Context) -> Mark | None:
    """No step up on latency while replicas are starting."""
    if not context.latency_driven or context.starting == 0 or replicas <= context.current:
        return None
    return Mark(
        replicas=context.current,
        why=f"{context.starting} replicas are starting",
        reason=Reason.STARTS_IN_FLIGHT,
        constraint="starts-in-flight",
        limit=context.starting,
    )
