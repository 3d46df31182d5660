"""Demand: load in the unit that capacity is counted in, second by second and step by step.

Rule: a second is restated, never added to; a step's value is the highest mean in it over the
time that a request may take, because an overload shorter than that breaks no SLO.
Flow: Second, PodGauge -> DemandMeter -> forecaster (steps), burst and floor (newest seconds).
"""

from __future__ import annotations

import math
from typing import Literal

from models.domain.load import PodGauge
from models.second import Second

STEP_S = 10
"""The learner's grid."""

KEEP_S = 600
"""Seconds kept; constant memory."""

FRESH_S = 15.0
"""A pod whose newest gauge is this much older than its workload's newest no longer counts."""

SHORT_S = 3
"""The shortest window that demand is averaged over: one second is not yet a burst."""

LATENCY_S = 60
"""Seconds that mean latency and the SLO's quantile are taken over."""

Unit = Literal["concurrency", "requests", "tokens"]


class DemandMeter:
    """Demand of one workload.  Times are event-time seconds, demand is in ``unit``."""

    def __init__(self, unit: Unit, *, patience_s: float | None = None) -> None:
        """``unit``: concurrent requests, requests/s, or tokens/s.

        ``patience_s`` is how long a request may take, the SLO's latency: a burst shorter than
        that is served late but in time, so demand is averaged over it (``SHORT_S`` to
        ``STEP_S``; without an SLO ``SHORT_S``).
        """
        self.unit: Unit = unit
        self.window_s = min(max(int(patience_s or 0), SHORT_S), STEP_S)
        self._seconds: dict[int, Second] = {}
        self._pods: dict[str, PodGauge] = {}
        self._in_system: dict[int, float] = {}
        self._has_starts = False
        self.newest: int | None = None
        """The newest second heard of."""
        self.first: int | None = None
        """The first second heard of; before it nothing is known."""

    def measures(self) -> tuple[Unit, int]:
        """What a value of this meter means: the unit, and what it is averaged over."""
        return self.unit, self.window_s

    def observe(self, second: Second) -> None:
        """Take in, or restate, one second."""
        self._seconds[second.second] = second
        self._has_starts |= second.started > 0
        self._heard(second.second)

    def observe_pod(self, pod: str, gauge: PodGauge) -> None:
        """Take in a pod's gauges; the newest counts."""
        before = self._pods.get(pod)
        if before is not None and before.at_us >= gauge.at_us:
            return
        self._pods[pod] = gauge
        at = gauge.at_us // 1_000_000
        oldest = gauge.at_us - FRESH_S * 1e6
        for name in [n for n, g in self._pods.items() if g.at_us < oldest]:
            del self._pods[name]
        known = [
            g.in_flight + (g.queue_depth or 0)
            for g in self._pods.values()
            if g.in_flight is not None
        ]
        if known:
            self._in_system[at] = float(sum(known))
        self._heard(at)

    def _heard(self, second: int) -> None:
        if self.newest is None or second > self.newest:
            self.newest = second
            horizon = second - KEEP_S
            for kept in (self._seconds, self._in_system):
                for old in [s for s in kept if s < horizon]:
                    del kept[old]
        if self.first is None or second < self.first:
            self.first = max(second, self.newest - KEEP_S)

    def at(self, number: int) -> float:
        """Demand in second ``number``; a second without events is zero."""
        if self.unit == "concurrency":
            return self._concurrency(number)
        second = self._seconds.get(number)
        if second is None:
            return 0.0
        if self.unit == "requests":
            return float(second.started if self._has_starts else second.finished)
        prompt = second.tokens_in_started if self._has_starts else second.tokens_in
        return float(prompt + second.tokens_out)

    def _concurrency(self, number: int) -> float:
        """Requests in the system: what pods report where they do, else Little's law.

        Gauges are seen once a second or less often: the last one within ``FRESH_S`` stands, and
        what started and ended since is added, because starts lead gauges and completions.
        """
        for back in range(int(FRESH_S)):
            gauge = self._in_system.get(number - back)
            if gauge is None:
                continue
            since = 0
            if self._has_starts:
                for later in range(number - back + 1, number + 1):
                    second = self._seconds.get(later)
                    if second is not None:
                        since += second.started - second.finished
            return max(gauge + since, 0.0)
        second = self._seconds.get(number)
        if second is None:
            return 0.0
        arrivals = second.started if self._has_starts else second.finished
        return arrivals * (self.mean_latency_s(number) or 0.0)

    def mean_latency_s(self, number: int) -> float | None:
        """Mean latency over the ``LATENCY_S`` up to ``number``; None: nothing finished."""
        count = total = 0
        for at in range(number - LATENCY_S + 1, number + 1):
            second = self._seconds.get(at)
            if second is not None:
                count += second.latency_count
                total += second.latency_us
        return total / count / 1e6 if count else None

    def latencies(self, number: int, seconds: int = LATENCY_S) -> dict[int, int]:
        """The latency sketch of the ``seconds`` up to ``number``."""
        merged: dict[int, int] = {}
        for at in range(number - seconds + 1, number + 1):
            second = self._seconds.get(at)
            if second is not None:
                for index, count in second.latency.items():
                    merged[index] = merged.get(index, 0) + count
        return merged

    def short(self) -> float | None:
        """Mean demand over the newest ``window_s``, the open second included; None: no data."""
        if self.newest is None:
            return None
        return self._mean(self.newest - self.window_s + 1, self.newest)

    def step(self, number: int) -> float:
        """Value of grid step ``number``: the highest mean over ``window_s`` within it."""
        begin = number * STEP_S
        last = begin + STEP_S - self.window_s
        return max(self._mean(at, at + self.window_s - 1) for at in range(begin, last + 1))

    def starts(self, number: int) -> float:
        """Requests started in grid step ``number``, a leading feature."""
        begin = number * STEP_S
        return float(
            sum(
                self._seconds[at].started
                for at in range(begin, begin + STEP_S)
                if at in self._seconds
            )
        )

    def _mean(self, begin: int, end: int) -> float:
        return math.fsum(self.at(number) for number in range(begin, end + 1)) / (end - begin + 1)
