"""Damping: a scale-in by one waits longer after some of them were taken back at once.

Rule: only where no tolerance tells a change from noise, and the user has set no window of scale-in;
models/swings.py counts.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark
from models.policy.stabilization import down_window_s
from models.swings import small


def damping(replicas: int, context: Context) -> Mark | None:
    """Keep what was wished for within the window, doubled for each swing.

    With 160 s and two swings: from 5 to 4 only if 5 was not wished for within 640 s.
    """
    given = context.spec.behavior.scale_down.stabilization_window_seconds
    current, doublings = context.current, context.doublings
    if not doublings or replicas >= current or given is not None or not small(current, replicas):
        return None
    window_s = down_window_s(context.spec, context.window_s) * 2.0**doublings
    highest = context.wished.highest(context.now - window_s)
    kept = min(max(replicas, highest or 0), current)
    if kept == replicas:
        return None
    return Mark(
        replicas=kept,
        why=f"{kept} was wished for within {window_s:.0f} s; {doublings} times it swung back",
        reason=Reason.SCALE_DOWN_STABILIZATION,
        constraint="swings",
        limit=window_s,
    )
