"""Missing telemetry: hold, then the spec's fallback; missing is never zero.

Rule: while telemetry is missing nothing is scaled in; out, on what is seen, still is.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.domain.spec import Fallback
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
        kept = _fallen_back(fallback, context.current)
        why = f"telemetry missing for {silent:.0f} s: fallback {fallback.behavior}"
        constraint, limit = "fallback.afterSeconds", float(fallback.after_seconds)
    if kept == replicas:
        return None
    return Mark(replicas=kept, why=why, reason=Reason.FALLBACK, constraint=constraint, limit=limit)


def believed(wished: int, current: int, silent_s: float | None, fallback: Fallback) -> int:
    """What counts as wished for in later scale-ins: the fallback, where that has been reached.

    As in KEDA, whose fallback is the metric that HPA sees and stabilises; a wish of old telemetry
    would hold it off for ever.
    """
    if silent_s is None or silent_s <= max(MISSING_S, fallback.after_seconds):
        return wished
    return _fallen_back(fallback, current)


def _fallen_back(fallback: Fallback, current: int) -> int:
    """KEDA's behaviours: ``static`` n, or the current count, the higher or the lower of both.

    What was forecast from old telemetry is worth nothing now.
    """
    given = fallback.replicas
    if given is None or fallback.behavior == "currentReplicas":
        return current
    if fallback.behavior == "static":
        return given
    if fallback.behavior == "currentReplicasIfHigher":
        return max(given, current)
    return min(given, current)
