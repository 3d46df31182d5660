"""The HPA's ``spec.behavior``: windows, rate policies, and which of them counts.

Rule: names, defaults and limits of autoscaling/v2 (pkg/apis/autoscaling/v2/defaults.go, v1.36);
arithmetic of calculateScaleUpLimitWithScalingRules and calculateScaleDownLimitWithBehaviors.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

LONGEST_WINDOW_S = 3600.0
LONGEST_PERIOD_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePolicy:
    """At most ``value`` pods, or percent of what there was, within ``period_s``."""

    type: Literal["Pods", "Percent"]
    value: int
    period_s: float

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError(f"value of a rate policy must be above 0, not {self.value}")
        if not 0 < self.period_s <= LONGEST_PERIOD_S:
            raise ValueError(f"period_s must be above 0 and at most 1800, not {self.period_s:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One direction.

    ``window_s`` None: the controller's --horizontal-pod-autoscaler-downscale-stabilization.
    ``tolerance`` None: the controller's --horizontal-pod-autoscaler-tolerance.  ``select`` Max is
    the policy that changes most, Min the one that changes least, Disabled no change at all.
    """

    window_s: float | None
    policies: tuple[RatePolicy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if not self.policies:
            raise ValueError("policies must have at least one rate policy")
        if self.window_s is not None and not 0 <= self.window_s <= LONGEST_WINDOW_S:
            raise ValueError(f"window_s must be 0 to 3600, not {self.window_s:g}")


SCALE_UP = Rules(
    window_s=0.0,
    policies=(
        RatePolicy(type="Pods", value=4, period_s=15.0),
        RatePolicy(type="Percent", value=100, period_s=15.0),
    ),
)
SCALE_DOWN = Rules(window_s=None, policies=(RatePolicy(type="Percent", value=100, period_s=15.0),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """Both directions; what is left out is the API's default for a spec that has ``behavior``."""

    scale_up: Rules = SCALE_UP
    scale_down: Rules = SCALE_DOWN


class Changes:
    """Replicas that were added and removed lately, for the rate policies."""

    def __init__(self, behavior: Behavior) -> None:
        self._behavior = behavior
        self._added: deque[tuple[float, int]] = deque()
        self._removed: deque[tuple[float, int]] = deque()
        rules = (*behavior.scale_up.policies, *behavior.scale_down.policies)
        self._kept_s = max(policy.period_s for policy in rules)

    def record(self, now: float, before: int, after: int) -> None:
        """A change was made."""
        if after > before:
            self._added.append((now, after - before))
        elif after < before:
            self._removed.append((now, before - after))
        for events in (self._added, self._removed):
            while events and events[0][0] <= now - self._kept_s:
                events.popleft()

    def up_limit(self, now: float, current: int) -> int:
        """Most replicas allowed now; never below ``current``.

        10 replicas of which 2 were added 5 s ago: 8 at the period's begin, so max(8 + 4, 8 * 2).
        """
        rules = self._behavior.scale_up
        if rules.select == "Disabled":
            return current
        proposals = []
        for policy in rules.policies:
            begin = self._begin(now, current, policy.period_s)
            if policy.type == "Pods":
                proposals.append(begin + policy.value)
            else:
                proposals.append(math.ceil(begin * (1 + policy.value / 100)))
        limit = min(proposals) if rules.select == "Min" else max(proposals)
        return max(limit, current)

    def down_limit(self, now: float, current: int) -> int:
        """Fewest replicas allowed now; never above ``current``."""
        rules = self._behavior.scale_down
        if rules.select == "Disabled":
            return current
        proposals = []
        for policy in rules.policies:
            begin = self._begin(now, current, policy.period_s)
            if policy.type == "Pods":
                proposals.append(begin - policy.value)
            else:
                proposals.append(int(begin * (1 - policy.value / 100)))
        limit = max(proposals) if rules.select == "Min" else min(proposals)
        return min(limit, current)

    def _begin(self, now: float, current: int, period_s: float) -> int:
        """Replicas at the begin of the period; what happened exactly then is outside of it."""
        cutoff = now - period_s
        added = sum(change for at, change in self._added if at > cutoff)
        removed = sum(change for at, change in self._removed if at > cutoff)
        return current - added + removed
