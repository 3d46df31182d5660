"""Stabilisation: HPA's windows over past wishes; out on the smallest, in on the largest of them.

Rule: as kubernetes/pkg/controller/podautoscaler (stabilizeRecommendationWithBehaviors): up takes
the minimum, down the maximum of the wishes in its window, the present one included.
"""

from __future__ import annotations

from models.domain.decision import Reason
from models.domain.spec import ScalerSpec
from models.policy.context import Context, Mark

DOWN_HORIZONS = 4.0
DOWN_LEAST_S = 60.0
DOWN_MOST_S = 300.0


def latency_window_s(horizon_s: float) -> float:
    """Where latency alone decides: four horizons, 60 to 300 s (HPA's default is 300).

    Long enough that a replica given up and wanted back within its own start-up time is rare.
    """
    return min(max(DOWN_HORIZONS * horizon_s, DOWN_LEAST_S), DOWN_MOST_S)


def down_window_s(spec: ScalerSpec, chosen_s: float) -> float:
    """The user's window, else the one that was chosen by what it would have cost."""
    given = spec.behavior.scale_down.stabilization_window_seconds
    return chosen_s if given is None else float(given)


def stabilization(replicas: int, context: Context) -> Mark | None:
    """Stabilise ``replicas`` against the wishes of the window of its direction."""
    if replicas > context.current:
        window = float(context.spec.behavior.scale_up.stabilization_window_seconds or 0)
        lowest = context.wished.lowest(context.now - window)
        kept = max(min(replicas, replicas if lowest is None else lowest), context.current)
        name, reason = "scaleUp", Reason.SCALE_UP_STABILIZATION
    elif replicas < context.current and not _cooled(replicas, context):
        window = down_window_s(context.spec, context.window_s)
        highest = context.wished.highest(context.now - window)
        kept = min(max(replicas, replicas if highest is None else highest), context.current)
        name, reason = "scaleDown", Reason.SCALE_DOWN_STABILIZATION
    else:
        return None
    if kept == replicas:
        return None
    return Mark(
        replicas=kept,
        why=f"{kept} was wished for within the last {window:.0f} s",
        reason=reason,
        constraint=f"behavior.{name}.stabilizationWindowSeconds",
        limit=window,
    )


def _cooled(replicas: int, context: Context) -> bool:
    """To zero, the cooldown period is the window, unless the user has set one as well."""
    given = context.spec.behavior.scale_down.stabilization_window_seconds
    cooldown_s = context.spec.replicas.cooldown_period_seconds
    return replicas == 0 and given is None and context.quiet_s >= cooldown_s
