"""Effect: what the last change did is known, and not done again for a while.

Rule: never fewer than before a scale-in that did harm, never more after scale-outs that changed
nothing; models/effect.py says when that is, and for how long.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.policy.context import Context, Mark


def effect(replicas: int, context: Context) -> Mark | None:
    """Keep to what is frozen.

    After a scale-in from 8 to 6 that did harm: 8 until the freeze is over, or nothing happens.
    """
    frozen = context.frozen
    if frozen is None or context.now >= frozen.until:
        return None
    left_s = frozen.until - context.now
    silent = context.quiet_s >= context.spec.replicas.cooldown_period_seconds
    if frozen.direction == "in" and not silent and replicas < frozen.replicas:
        kept = frozen.replicas
        why = f"fewer than {kept} made requests slow; scale-in is frozen for {left_s:.0f} s"
    elif frozen.direction == "out" and replicas > max(frozen.replicas, context.current):
        kept = max(frozen.replicas, context.current)
        why = f"the last scale-outs changed nothing; scale-out is frozen for {left_s:.0f} s"
    else:
        return None
    return Mark(
        replicas=kept, why=why, reason=Reason.EFFECT, constraint="effect", limit=frozen.replicas
    )
