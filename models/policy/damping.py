"""Damping: a small scale-in waits longer, or is not made at all, after it was taken back.

Rule: only where no tolerance tells a change from noise, and the user has set no window of scale-in.
What was taken back at once waits longer (models/swings.py); what was taken back while as much was
asked for is not tried again until that changes (models/edge.py).
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark
from models.policy.stabilization import down_window_s
from models.swings import small


def damping(replicas: int, context: Context) -> Mark | None:
    """Keep what was taken back, and what was wished for within the window, doubled for each swing.

    With 160 s and two swings: from 5 to 4 only if 5 was not wished for within 640 s.
    """
    given = context.spec.behavior.scale_down.stabilization_window_seconds
    current, serves = context.current, context.serves
    if replicas >= current or given is not None or not small(current, replicas, serves):
        return None
    held, waited = _held(replicas, context), _waited(replicas, context)
    if held is None or (waited is not None and waited.replicas >= held.replicas):
        return waited
    return held


def _waited(replicas: int, context: Context) -> Mark | None:
    doublings = context.doublings
    if not doublings:
        return None
    window_s = down_window_s(context.spec, context.window_s) * 2.0**doublings
    highest = context.wished.highest(context.now - window_s)
    kept = min(max(replicas, highest or 0), context.current)
    if kept == replicas:
        return None
    return Mark(
        replicas=kept,
        why=f"{kept} was wished for within {window_s:.0f} s; {doublings} times it swung back",
        reason=Reason.SCALE_DOWN_STABILIZATION,
        constraint="swings",
        limit=window_s,
    )


def _held(replicas: int, context: Context) -> Mark | None:
    held = context.edge.held
    kept = min(held, context.current)
    if kept <= replicas:
        return None
    return Mark(
        replicas=kept,
        why=f"fewer than {kept} were tried and taken back, and as much is asked for",
        reason=Reason.SCALE_DOWN_STABILIZATION,
        constraint="edge",
        limit=held,
    )
