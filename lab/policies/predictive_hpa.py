"""The predictive HPA (PHPA): the HPA's count, and Holt-Winters over its own past counts.

Rule: as jthomperoo/predictive-horizontal-pod-autoscaler v0.13: sync 15 s, tolerance 0.1, the larger
of the HPA's count and the model's (decisionType maximum), then a 300 s downscale window and at most
max(4, twice) up.  The project gives the model no defaults; these are of its example
simple-holt-winters: alpha, beta, gamma 0.9, seasons of 6 syncs, 4 seasons kept, all additive.
"""

from __future__ import annotations

import math
from collections import deque

from lab.policies.holt_winters import fewest, forecast
from lab.policies.hpa import DOWN_WINDOW_S, PERIOD_S, UP_AT_LEAST, UP_FACTOR, Hpa
from lab.policies.policy import View

SMOOTHING = 0.9
SEASON = 6
SEASONS_KEPT = 4


class PredictiveHpa:
    """PHPA with a utilisation ``target`` between ``least`` and ``most`` replicas."""

    period_s = PERIOD_S

    def __init__(
        self,
        *,
        target: float,
        least: int,
        most: int,
        season: int = SEASON,
        seasons_kept: int = SEASONS_KEPT,
        smoothing: float = SMOOTHING,
        down_window_s: float = DOWN_WINDOW_S,
    ) -> None:
        """``season`` counts syncs; ``smoothing`` is alpha, beta and gamma."""
        self.name = f"PHPA {target:g}"
        self._hpa = Hpa(target=target, least=least, most=most)
        self._least = least
        self._most = most
        self._season = season
        self._seasons_kept = seasons_kept
        self._smoothing = smoothing
        self._down_window_s = down_window_s
        self._counts: list[float] = []
        self._targets: deque[tuple[float, int]] = deque()

    def desired(self, view: View) -> int:
        """One sync.  Without a metric, or at 0 replicas, it holds and remembers nothing."""
        now, current = view.now, view.desired
        calculated = None if current == 0 else self._hpa.recommend(view)
        if calculated is None:
            return current
        target = max(calculated, self._predict(calculated))
        while self._targets and self._targets[0][0] <= now - self._down_window_s:
            self._targets.popleft()
        self._targets.append((now, target))
        highest = max(wished for _, wished in self._targets)
        stable = min(max(current, target), highest)
        if stable > current:
            return min(stable, self._most, max(UP_FACTOR * current, UP_AT_LEAST))
        return max(stable, self._least) if stable < current else current

    def _predict(self, calculated: int) -> int:
        """The model's count for the next sync; 0 until it has seen enough."""
        counts = self._counts
        counts.append(float(calculated))
        predicted = 0
        if len(counts) >= fewest(self._season):
            ahead = forecast(
                counts,
                season=self._season,
                level=self._smoothing,
                trend=self._smoothing,
                seasonal=self._smoothing,
            )
            # Rounded first: 3 must not become 4 by the last bit of a float.
            predicted = math.ceil(round(ahead, 9))
        # Whole seasons go, and only once a further whole one is there.
        surplus = len(counts) // self._season - self._seasons_kept
        if surplus > 0:
            del counts[: surplus * self._season]
        return predicted
