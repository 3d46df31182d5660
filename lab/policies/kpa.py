"""Knative's pod autoscaler (KPA): two windows, panic, and the way to zero.

Rule: as knative/serving pkg/autoscaler/scaling/autoscaler.go and
pkg/reconciler/autoscaling/kpa/scaler.go at the defaults of config-autoscaler: tick 2 s, stable
window 60 s, panic window 10 % of it, panic at 200 %, at most 1000 times up and half down a tick,
70 % of a replica's capacity, target burst capacity 211, grace of 30 s before zero, no scale-down
delay, activation scale 1.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from lab.policies.kpa_window import Buckets
from lab.policies.policy import View

TICK_S = 2.0
STABLE_WINDOW_S = 60
PANIC_WINDOW_S = 6
PANIC_THRESHOLD = 2.0
MAX_UP_RATE = 1000.0
MAX_DOWN_RATE = 2.0
UTILISATION = 0.7
BURST_CAPACITY = 211.0
ZERO_GRACE_S = 30.0


class _Phase(Enum):
    """The PodAutoscaler's condition Active: Unknown, True, False."""

    ACTIVATING = auto()
    ACTIVE = auto()
    INACTIVE = auto()


class Kpa:
    """KPA on demand, with ``capacity`` demand in a full replica.

    Knative scrapes every second and decides every other; a view is taken for both of its seconds.
    Demand counts what waits in the activator too.  ``least`` 0 allows zero.
    """

    period_s = TICK_S

    def __init__(
        self,
        *,
        capacity: float,
        least: int = 0,
        most: int,
        utilisation: float = UTILISATION,
        burst_capacity: float = BURST_CAPACITY,
    ) -> None:
        if capacity <= 0:
            raise ValueError(f"capacity must be above 0, not {capacity:g}")
        self.name = "KPA"
        self._capacity = capacity
        self._target = capacity * utilisation
        self._least = least
        self._most = most
        self._burst_capacity = burst_capacity
        self._stable = Buckets(STABLE_WINDOW_S)
        self._panic = Buckets(PANIC_WINDOW_S)
        self._began = False
        self._scraped = 0
        self._panic_at: float | None = None
        self._panic_replicas = 0
        self._phase = _Phase.ACTIVATING
        self._phase_since = 0.0
        self._proxy_since: float | None = None

    def desired(self, view: View) -> int:
        """One tick.  Without any metric for a stable window it holds.

        10 ready replicas of capacity 10, 60 in flight for a minute: 60 / 7 = 8.6, so 9; 150 for
        the last 6 s: 150 / 7 = 21.4, so 22 of 10 are 220 %: panic, and 22 for at least a minute.
        """
        now = view.now
        second = math.floor(now)
        if not self._began:
            self._begin(view, second)
        if view.demand is not None:
            for scraped in range(max(second - 1, self._scraped + 1), second + 1):
                self._stable.record(scraped, view.demand)
                self._panic.record(scraped, view.demand)
            self._scraped = second
        self._follow(view)
        if self._stable.empty(second):
            return view.desired
        panic_value = self._panic.mean(second)
        wanted = self._decide(now, view.ready, self._stable.mean(second), panic_value)
        self._proxy(now, view.ready, panic_value, wanted)
        return self._apply(now, view.desired, wanted)

    def _begin(self, view: View, second: int) -> None:
        """A new decider that finds more than one ready replica begins in panic."""
        self._began = True
        self._scraped = second - int(TICK_S)
        if view.ready > 1:
            self._panic_at, self._panic_replicas = view.now, view.ready

    def _decide(self, now: float, ready_count: int, stable_value: float, panic_value: float) -> int:
        """The autoscaler: stable and panic wishes, panic mode."""
        ready = max(ready_count, 1)
        most, least = math.ceil(MAX_UP_RATE * ready), math.floor(ready / MAX_DOWN_RATE)
        stable_wish = math.ceil(stable_value / self._target)
        panic_wish = math.ceil(panic_value / self._target)
        wanted = min(max(stable_wish, least), most)
        if panic_wish / ready >= PANIC_THRESHOLD:
            self._panic_at = now
        elif self._panic_at is not None and self._panic_at + STABLE_WINDOW_S < now:
            self._panic_at, self._panic_replicas = None, 0
        if self._panic_at is None:
            return wanted
        wanted = max(wanted, min(max(panic_wish, least), most), self._panic_replicas)
        self._panic_replicas = wanted
        return wanted

    def _follow(self, view: View) -> None:
        """The condition Active follows the pods: True once one is ready."""
        if self._phase is _Phase.ACTIVATING and view.ready > 0:
            self._phase, self._phase_since = _Phase.ACTIVE, view.now

    def _proxy(self, now: float, ready: int, panic_value: float, wanted: int) -> None:
        """Since when the activator is in the path: no spare capacity for a burst, or no wish."""
        spare = math.floor(ready * self._capacity - self._burst_capacity - panic_value)
        if (self._burst_capacity > 0 and spare < 0) or wanted == 0:
            if self._proxy_since is None:
                self._proxy_since = now
        else:
            self._proxy_since = None

    def _apply(self, now: float, current: int, wanted: int) -> int:
        """The reconciler: bounds, and no zero before a stable window and the grace are over."""
        wanted = min(max(wanted, self._least), self._most)
        if wanted > 0:
            if self._phase is _Phase.INACTIVE:
                self._phase, self._phase_since = _Phase.ACTIVATING, now
            return wanted
        if self._phase is _Phase.ACTIVATING:
            return current
        if self._phase is _Phase.ACTIVE:
            if now - self._phase_since < STABLE_WINDOW_S:
                return 1
            self._phase, self._phase_since = _Phase.INACTIVE, now
            return current
        proxied = self._proxy_since is not None and now - self._proxy_since >= ZERO_GRACE_S
        if proxied or now - self._phase_since >= ZERO_GRACE_S:
            return 0
        return current
