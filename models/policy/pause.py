"""Pause: what a person has forbidden for a while, in KEDA's words.

Rule: behind every guard that changes the number, before the bounds, which hold all the same.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark


def pause(replicas: int, context: Context) -> Mark | None:
    """Go nowhere in a direction that is paused; with ``pause.replicas`` go there and stay."""
    asked = context.spec.pause
    if asked.replicas is not None:
        kept, name = asked.replicas, "pause.replicas"
    elif asked.scale_in and replicas < context.current:
        kept, name = context.current, "pause.scaleIn"
    elif asked.scale_out and replicas > context.current:
        kept, name = context.current, "pause.scaleOut"
    else:
        return None
    if kept == replicas:
        return None
    return Mark(
        replicas=kept,
        why=f"{name} is set",
        reason=Reason.PAUSED,
        constraint=name,
        limit=kept,
    )
