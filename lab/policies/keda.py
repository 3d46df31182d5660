"""KEDA: a poll that switches a workload on and off, and an HPA for what lies between.

Rule: as kedacore/keda v2.20 pkg/scaling/executor/scale_scaledobjects.go with one trigger at its
defaults: poll 30 s, cooldown 300 s, initial cooldown 0, activation threshold 0, 0 to 100 replicas,
metricType AverageValue read live at each of the HPA's syncs (useCachedMetrics false).  A trigger
that gave no value is an error, and without a fallback KEDA then does nothing.
"""

from __future__ import annotations

import dataclasses

from lab.policies.hpa import PERIOD_S, Hpa, Metric
from lab.policies.hpa_behavior import Behavior
from lab.policies.policy import View

POLL_S = 30.0
COOLDOWN_S = 300.0


class Keda:
    """One trigger with ``target`` demand per replica.

    ``least`` is minReplicaCount.  The two timers are independent in a cluster; here the HPA's sync
    follows the poll that falls on the same moment, which is the best that can happen to it.
    """

    period_s = PERIOD_S

    def __init__(
        self,
        *,
        target: float,
        least: int = 0,
        most: int = 100,
        activation: float = 0.0,
        cooldown_s: float = COOLDOWN_S,
        poll_s: float = POLL_S,
        cached: bool = False,
        behavior: Behavior | None = None,
    ) -> None:
        """``cached`` is useCachedMetrics: the HPA sees the value of the last poll."""
        self.name = "KEDA"
        self._hpa = Hpa(
            target=target,
            least=max(least, 1),
            most=most,
            metric=Metric.EXTERNAL_AVERAGE,
            behavior=behavior,
        )
        self._least = least
        self._activation = activation
        self._cooldown_s = cooldown_s
        self._poll_s = poll_s
        self._cached = cached
        self._next_poll: float | None = None
        self._polled: float | None = None
        self._last_active: float | None = None

    def desired(self, view: View) -> int:
        """A poll if one is due, then the HPA's sync; at 0 replicas the HPA is disabled."""
        current = view.desired
        if self._next_poll is None or view.now >= self._next_poll:
            self._next_poll = view.now + self._poll_s
            self._polled = view.demand
            current = self._poll(view.now, current, view.demand)
        demand = self._polled if self._cached else view.demand
        if current != view.desired or demand != view.demand:
            view = dataclasses.replace(view, desired=current, demand=demand)
        return self._hpa.desired(view)

    def _poll(self, now: float, current: int, demand: float | None) -> int:
        """RequestScale: what KEDA itself sets the target to."""
        if demand is None:
            return current
        if demand > self._activation:
            self._last_active = now
            return max(self._least, 1) if current == 0 else current
        if current > 0 and self._least == 0:
            active = self._last_active
            cooled = active is None or active + self._cooldown_s < now
            return 0 if cooled else current
        return max(current, self._least)
