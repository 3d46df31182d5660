"""Missing telemetry: hold, then the spec's fallback; missing is never zero.

Rule: while telemetry is missing nothing is scaled in; out, on what is seen, still is.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import MISSING_S, Context, Mark


def telemetry(replicas: int, context: Context) -> Mark | None:
    """Hold while missing; after ``fallback.afterSeconds`` do as the fallback says."""
    silent = context.silent_s
    if silent is None or not context.missing:
        return None
    fallback = context.spec.fallback
    if silent <= fallback.after_seconds:
        kept = max(replicas, context.current)
        why = f"telemetry missing for {silent:.0f} s: no scale-in"
        constraint, limit = "telemetry.missing", MISSING_S
    else:
        kept = _fallback(replicas, context)
        why = f"telemetry missing for {silent:.0f} s: fallback {fallback.behavior}"
        constraint, limit = "fallback.afterSeconds", float(fallback.after_seconds)
    if kept == replicas:
        return None
    return Mark(replicas=kept, why=why, reason=Reason.FALLBACK, constraint=constraint, limit=limit)


def _fallback(replicas: int, context: Context) -> int:
    """KEDA's behaviours: ``static`` n, or the current count, the higher or the lower of both."""
    del replicas  # What was forecast from old telemetry is worth nothing now.
    fallback, current = context.spec.fallback, context.current
    given = fallback.replicas
    if given is None or fallback.behavior == "currentReplicas":
        return current
    if fallback.behavior == "static":
        return given
    if fallback.behavior == "currentReplicasIfHigher":
        return max(given, current)
    return min(given, current)
