"""Idle: the last replica goes only after true silence, and comes back on the first event.

Rule: with a minimum of 0, there is a replica as long as anything happened within the cooldown
period, was not told yet, or is still being worked on; missing telemetry is no silence.
KEDA's cooldownPeriod, and its activation.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark


def idle(replicas: int, context: Context) -> Mark | None:
    """Hold the last replica until ``replicas.cooldownPeriodSeconds``; from zero on at once.

    With 300 s, silence of 299 s keeps 1 and of 300 s lets 0 pass.  Where demand asks for any, there
    is nothing to say: it is demand's reason.
    """
    cooldown_s = context.spec.replicas.cooldown_period_seconds
    if replicas > 0:
        return None
    if context.current == 0:
        event_s = context.event_s
        disabled = context.spec.behavior.scale_up.select_policy == "Disabled"
        if event_s is None or event_s > cooldown_s or disabled:
            return None
        return Mark(
            replicas=1,
            why=f"something happened {event_s:.0f} s ago, and no replica is there",
            reason=Reason.ACTIVATION,
            constraint="activation",
            limit=1,
        )
    if context.limits.min > 0:
        return None
    if context.quiet_s >= cooldown_s and not context.missing:
        return None
    return Mark(
        replicas=1,
        why=f"silent for {context.quiet_s} s, the last replica goes after {cooldown_s} s",
        reason=Reason.IDLE,
        constraint="replicas.cooldownPeriodSeconds",
        limit=cooldown_s,
    )
