"""What the plant is made of, equal for every policy, printed with every result.

Rule: a number here has a source or a reason.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantParameters:
    """One model server's replica, and the service in front of it.

    Service time of a request is ``overhead_s + tokens_in / prefill_per_s + tokens_out /
    decode_per_s``: prefill is compute-bound and fast, decode is bandwidth-bound and slow; the
    rates are of the order published for a 13 B to 34 B model on one A100.  ``slots`` requests
    run side by side in a replica; continuous batching is not modelled here.  Start-up is
    log-normal with the median and 95th percentile given: base-model loading measured on a real
    fleet (Alibaba GenTD26) has 22.7 s and 45.4 s.  Beyond ``queue_limit`` waiting requests the
    gateway drops.
    """

    slots: int = 4
    overhead_s: float = 0.1
    prefill_per_s: float = 5000.0
    decode_per_s: float = 40.0
    startup_p50_s: float = 22.7
    startup_p95_s: float = 45.4
    queue_limit: int = 200
    gauge_every_s: float = 1.0
    initial_replicas: int = 2
    min_replicas: int = 1
    max_replicas: int = 20
    slo_s: float = 10.0
    violations: float = 0.01
    per_replica: float = 3.0

    def service_s(self, tokens_in: int, tokens_out: int) -> float:
        """Seconds of one slot: 2,048 tokens in and 28 out take 0.1 + 0.41 + 0.7 = 1.21 s."""
        return self.overhead_s + tokens_in / self.prefill_per_s + tokens_out / self.decode_per_s

    def startup_s(self, chance: random.Random) -> float:
        """One start-up time."""
        if self.startup_p50_s <= 0:
            return 0.0
        sigma = math.log(max(self.startup_p95_s / self.startup_p50_s, 1.0)) / 1.6449
        return self.startup_p50_s * math.exp(sigma * chance.gauss(0.0, 1.0))

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"a replica serves {self.slots} requests side by side; one takes "
            f"{self.overhead_s:g} s + prompt / {self.prefill_per_s:g} per s + completion / "
            f"{self.decode_per_s:g} per s",
            f"it starts in {self.startup_p50_s:g} s (median; 95 % within {self.startup_p95_s:g} s)"
            f", {self.min_replicas} to {self.max_replicas} replicas, {self.initial_replicas} at "
            "the beginning",
            f"SLO: at most {self.violations:.0%} of requests slower than {self.slo_s:g} s; the "
            f"gateway queues up to {self.queue_limit}, then drops",
        ]
