"""Horizon: how far ahead to look, from how long this workload's replicas really take to start.

Rule: the 90th percentile of the start-ups seen lately, a stated prior until there are any.
Fed by ReplicaReport.started_s; read by the forecaster and the policy.
"""

from __future__ import annotations

PRIOR_S = 30.0
"""Start-up assumed before one has been seen: the median base-model load published for a real
diffusion-serving fleet is 22.7 s, its 95th percentile 45.4 s (Alibaba GenTD26)."""

KEPT = 50
"""Start-ups remembered; a new release's take over after so many."""

PERCENTILE = 0.9


class StartUp:
    """Start-up times of one workload."""

    def __init__(self) -> None:
        """None seen yet."""
        self.seen: list[float] = []
        """Oldest first, seconds."""

    def observe(self, started_s: float) -> None:
        """One replica took ``started_s`` seconds from being asked for to being ready."""
        self.seen = [*self.seen[1 - KEPT :], started_s]

    @property
    def known(self) -> bool:
        """Whether any start-up has been seen."""
        return bool(self.seen)

    def seconds(self) -> float:
        """The 90th percentile seen (nearest rank), or the prior.

        Of 10, 20, ... 100 s it is 90 s.
        """
        if not self.seen:
            return PRIOR_S
        ordered = sorted(self.seen)
        rank = -(-len(ordered) * 9 // 10)
        return ordered[rank - 1]
