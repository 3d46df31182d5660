"""The Kubernetes HPA on a resource-like metric, at its default behaviour.

Rule: as kubernetes/pkg/controller/podautoscaler (replica_calculator.go, horizontal.go) at its
default flags: 15 s sync, 10 % tolerance, up max(+4 pods, +100 %) per 15 s, down 100 % per 15 s
after a 300 s stabilisation window; unready pods count as 0 when scaling up.
"""

from __future__ import annotations

import math
from collections import deque

from lab.policies.policy import View

TOLERANCE = 0.1
DOWN_WINDOW_S = 300.0
PERIOD_S = 15.0


class Hpa:
    """HPA with target ``target`` (a ratio of slot use) between ``least`` and ``most`` replicas."""

    period_s = PERIOD_S

    def __init__(self, *, target: float, least: int, most: int) -> None:
        self.name = f"HPA {target:g}"
        self.target = target
        self._least = least
        self._most = most
        self._wishes: deque[tuple[float, int]] = deque()
        self._ups: deque[tuple[float, int]] = deque()

    def desired(self, view: View) -> int:
        """One sync.

        5 ready pods at 0.98 of their slots with target 0.7: ratio 1.4, 7 replicas.
        """
        wish = self._recommend(view)
        self._wishes.append((view.now, wish))
        while self._wishes[0][0] <= view.now - DOWN_WINDOW_S:
            self._wishes.popleft()
        stabilized = wish
        if wish < view.desired:
            stabilized = min(max(recommended for _, recommended in self._wishes), view.desired)
        limited = self._limit(stabilized, view)
        result = min(max(limited, self._least), self._most)
        if result > view.desired:
            self._ups.append((view.now, result - view.desired))
        return result

    def _recommend(self, view: View) -> int:
        if view.use_ratio is None:
            return view.desired  # No metrics: hold.
        ratio = self._ratio(view.use_ratio)
        if abs(ratio - 1.0) <= TOLERANCE:
            return view.desired
        unready = max(view.desired - view.ready, 0)
        if unready and ratio > 1.0:
            # Unready pods are taken to use nothing; no move if that turns the direction.
            ratio = self._ratio(view.use_ratio * view.ready / (view.ready + unready))
            if ratio < 1.0 or abs(ratio - 1.0) <= TOLERANCE:
                return view.desired
            return max(math.ceil(ratio * (view.ready + unready)), view.desired)
        recommended = math.ceil(ratio * view.ready)
        return recommended if ratio < 1.0 else max(recommended, view.desired)

    def _ratio(self, use_ratio: float) -> float:
        """Usage over target, both whole percents, as the controller has them."""
        return int(use_ratio * 100 + 1e-9) / round(self.target * 100)

    def _limit(self, wish: int, view: View) -> int:
        if wish <= view.desired:
            return wish  # 100 % per 15 s: down has no rate limit.
        while self._ups and self._ups[0][0] <= view.now - PERIOD_S:
            self._ups.popleft()
        began = view.desired - sum(added for _, added in self._ups)
        return min(wish, max(began + 4, began * 2))
