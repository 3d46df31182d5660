"""The Kubernetes HPA with one metric: replica calculation, stabilisation, limits.

Rule: as reconcileAutoscaler in kubernetes/pkg/controller/podautoscaler/horizontal.go (v1.36) at its
default flags: 15 s sync, 10 % tolerance, 300 s downscale stabilisation.  Without ``behavior`` the
controller goes another way than with an empty one, and so does this: up to max(4, twice) a sync,
and the highest wish of the window even where that is up.  tests/live/test_hpa_parity.py holds it to
the real controller, step for step.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Literal

from lab.policies import hpa_replicas
from lab.policies.hpa_behavior import Behavior, Changes
from lab.policies.hpa_replicas import Target, Tolerances
from lab.policies.policy import View

TOLERANCE = 0.1
DOWN_WINDOW_S = 300.0
PERIOD_S = 15.0
UP_AT_LEAST = 4
UP_FACTOR = 2


class Metric(Enum):
    """Where the metric comes from, and what its target means."""

    UTILISATION = "a share of the request, mean over pods (resource metric, averageUtilization)"
    VALUE = "slot use as a number, mean over pods (pods metric, averageValue)"
    EXTERNAL_AVERAGE = "total demand, shared by all pods (external metric, averageValue)"
    EXTERNAL_VALUE = "total demand, as a whole (external metric, value)"


class Hpa:
    """HPA between ``least`` (at least 1) and ``most`` replicas.

    ``target`` is a share of slot use, or demand for the external metrics.  ``starting`` says what a
    pod is that is not ready yet: ``unready`` (pending, or unready by a CPU metric) is left out on
    the way down, ``missing`` (it runs, and has no metric) counts as being at its target.
    """

    def __init__(
        self,
        *,
        target: float,
        least: int,
        most: int,
        metric: Metric = Metric.UTILISATION,
        behavior: Behavior | None = None,
        tolerance: float = TOLERANCE,
        down_window_s: float = DOWN_WINDOW_S,
        period_s: float = PERIOD_S,
        starting: Literal["unready", "missing"] = "unready",
    ) -> None:
        """``tolerance``, ``down_window_s`` and ``period_s`` are the controller's flags."""
        if target <= 0:
            raise ValueError(f"target must be above 0, not {target:g}")
        if not 1 <= least <= most:
            raise ValueError(f"least must be 1 to most ({most}), not {least}")
        self.name = f"HPA {target:g}"
        self.period_s = period_s
        self.target = target
        self._least = least
        self._most = most
        self._metric = metric
        by_share = metric is Metric.UTILISATION
        self._target = Target.utilisation(target) if by_share else Target.value(target)
        self._starting_is_missing = starting == "missing"
        self._behavior = behavior
        self._tolerances = _tolerances(behavior, tolerance)
        self._up_window_s = 0.0
        self._down_window_s = down_window_s
        self._changes: Changes | None = None
        if behavior is not None:
            self._changes = Changes(behavior)
            self._up_window_s = behavior.scale_up.window_s or 0.0
            if behavior.scale_down.window_s is not None:
                self._down_window_s = behavior.scale_down.window_s
        self._kept_s = max(self._up_window_s, self._down_window_s)
        self._wishes: deque[tuple[float, int]] = deque()
        self._began = False

    def desired(self, view: View) -> int:
        """One sync.

        5 ready pods at 0.98 of their slots with target 0.7: ratio 1.4, 7 replicas.  Without a
        metric, or at 0 replicas (scaling is disabled then), it holds.
        """
        now, current = view.now, view.desired
        if not self._began:
            self._began = True
            self._wishes.append((now, current))
        if current == 0:
            return 0
        if current > self._most:
            wanted = self._most
        elif current < self._least:
            wanted = self._least
        else:
            wish = self.recommend(view)
            if wish is None:
                return current
            if self._changes is None:
                wanted = self._plain(now, current, wish)
            else:
                wanted = self._behaved(now, current, wish, self._changes)
        if self._changes is not None:
            self._changes.record(now, current, wanted)
        return wanted

    def recommend(self, view: View) -> int | None:
        """What the metric alone says; None: no metric."""
        if self._metric is Metric.EXTERNAL_AVERAGE:
            if view.demand is None:
                return None
            return hpa_replicas.from_external_average(
                self._target, self._tolerances, current=view.desired, total=view.demand
            )
        if self._metric is Metric.EXTERNAL_VALUE:
            if view.demand is None:
                return None
            return hpa_replicas.from_external_value(
                self._target,
                self._tolerances,
                current=view.desired,
                ready=view.ready,
                total=view.demand,
            )
        if view.use_ratio is None:
            return None
        starting = max(view.desired - view.ready, 0)
        return hpa_replicas.from_pods(
            self._target,
            self._tolerances,
            current=view.desired,
            ready=view.ready,
            unready=0 if self._starting_is_missing else starting,
            missing=starting if self._starting_is_missing else 0,
            mean_use=view.use_ratio,
        )

    def _plain(self, now: float, current: int, wish: int) -> int:
        """A spec without ``behavior`` (normalizeDesiredReplicas)."""
        self._wishes.append((now, wish))
        # What is exactly as old as the window still counts here; with ``behavior`` it does not.
        while self._wishes[0][0] < now - self._down_window_s:
            self._wishes.popleft()
        # No time passes between two lines here, so a window of 0 must be told to be empty.
        highest = max(wished for _, wished in self._wishes) if self._down_window_s else wish
        limit = min(self._most, max(UP_FACTOR * current, UP_AT_LEAST))
        return max(min(highest, limit), self._least)

    def _behaved(self, now: float, current: int, wish: int, changes: Changes) -> int:
        """A spec with ``behavior`` (normalizeDesiredReplicasWithBehaviors)."""
        self._wishes.append((now, wish))
        while len(self._wishes) > 1 and self._wishes[0][0] <= now - self._kept_s:
            self._wishes.popleft()
        up = down = wish
        for at, wished in self._wishes:
            if at > now - self._up_window_s:
                up = min(up, wished)
            if at > now - self._down_window_s:
                down = max(down, wished)
        stable = min(max(current, up), down)
        if stable > current:
            return min(stable, self._most, changes.up_limit(now, current))
        if stable < current:
            return max(stable, self._least, changes.down_limit(now, current))
        return current


def _tolerances(behavior: Behavior | None, tolerance: float) -> Tolerances:
    up = down = tolerance
    if behavior is not None and behavior.scale_up.tolerance is not None:
        up = behavior.scale_up.tolerance
    if behavior is not None and behavior.scale_down.tolerance is not None:
        down = behavior.scale_down.tolerance
    return Tolerances(up=up, down=down)
