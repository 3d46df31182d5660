"""Rate policies: how far HPA's scaling policies let one period go.

Rule: as HPA computes them (calculateScaleUpLimitWithScalingRules and its sibling): the count at
the start of the period, plus or minus what the policy allows, ``selectPolicy`` over policies.
Unset, there is no limit: demand is trusted, bounds hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.domain.decision import Reason
from models.domain.spec import Behavior, RatePolicy, Rules
from models.policy.context import Context, Mark


def rate(replicas: int, context: Context) -> Mark | None:
    """Limit the change of this period.

    With 5 replicas, 2 of them added in the last 15 s, and ``Pods: 4 per 15 s``, the period began
    at 3, so 7 is the most.
    """
    behavior = context.spec.behavior
    if replicas > context.current:
        limit = _up(behavior.scale_up, context)
        kept = replicas if limit is None else max(min(replicas, limit), context.current)
        name = "scaleUp"
    elif replicas < context.current:
        limit = _down(behavior.scale_down, context)
        kept = replicas if limit is None else min(max(replicas, limit), context.current)
        name = "scaleDown"
    else:
        return None
    if kept == replicas or limit is None:
        return None
    return Mark(
        replicas=kept,
        why=f"behavior.{name} allows {limit} in this period",
        reason=Reason.RATE_LIMITED,
        constraint=f"behavior.{name}.policies",
        limit=limit,
    )


def longest_s(behavior: Behavior) -> int:
    """The longest period of any policy, seconds: for so long changes are needed; 0 without one."""
    policies = [*(behavior.scale_up.policies or ()), *(behavior.scale_down.policies or ())]
    return max((policy.period_seconds for policy in policies), default=0)


def _up(rules: Rules, context: Context) -> int | None:
    if rules.select_policy == "Disabled":
        return context.current
    if not rules.policies:
        return None
    limits = []
    for policy in rules.policies:
        began = context.current - _added(context.scaled, context.now - policy.period_seconds)
        if policy.type == "Pods":
            limits.append(began + policy.value)
        else:
            limits.append(math.ceil(began * (1 + policy.value / 100)))
    return min(limits) if rules.select_policy == "Min" else max(limits)


def _down(rules: Rules, context: Context) -> int | None:
    if rules.select_policy == "Disabled":
        return context.current
    if not rules.policies:
        return None
    limits = [_down_limit(policy, context) for policy in rules.policies]
    return max(limits) if rules.select_policy == "Min" else min(limits)


def _down_limit(policy: RatePolicy, context: Context) -> int:
    began = context.current + _removed(context.scaled, context.now - policy.period_seconds)
    if policy.type == "Pods":
        return max(began - policy.value, 0)
    return max(math.floor(began * (1 - policy.value / 100)), 0)


def _added(scaled: Sequence[tuple[float, int, int]], since: float) -> int:
    return sum(after - before for at, before, after in scaled if at > since and after > before)


def _removed(scaled: Sequence[tuple[float, int, int]], since: float) -> int:
    return sum(before - after for at, before, after in scaled if at > since and after < before)
