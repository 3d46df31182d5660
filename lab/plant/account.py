"""The account: what a run served, what it broke, and what it cost.

Rule: counted where it happens, never estimated afterwards; a starting replica costs, a draining
one too.
"""

from __future__ import annotations

import math


class Account:
    """Fed by the plant; times in seconds."""

    def __init__(self, *, slo_s: float) -> None:
        self._slo_s = slo_s
        self.latencies: list[tuple[float, float]] = []
        """(finished at, latency) of every served request."""
        self.dropped = 0
        self.violations = 0
        self.replica_seconds = 0.0
        self.actions = 0
        self.series: list[tuple[float, int, int, int, int]] = []
        """(at, in system, desired, ready, alive) once a gauge interval."""
        self._alive = 0
        self._since: float | None = None

    def finished(self, at: float, latency_s: float) -> None:
        """A request was served."""
        self.latencies.append((at, latency_s))
        self.violations += latency_s > self._slo_s

    def drop(self) -> None:
        """A request was dropped: it counts as a violation."""
        self.dropped += 1
        self.violations += 1

    def alive(self, at: float, replicas: int) -> None:
        """From ``at`` on ``replicas`` cost: starting, ready and draining ones."""
        if self._since is not None:
            self.replica_seconds += self._alive * (at - self._since)
        self._alive, self._since = replicas, at

    @property
    def served(self) -> int:
        """Requests served."""
        return len(self.latencies)

    def latency_s(self, level: float) -> float | None:
        """Latency at ``level`` (0 to 1), nearest rank; None: nothing was served."""
        if not self.latencies:
            return None
        ordered = sorted(latency for _, latency in self.latencies)
        return ordered[max(math.ceil(level * len(ordered)), 1) - 1]

    def violation_share(self) -> float:
        """Violations over all requests that ended; 0 when none did."""
        ended = self.served + self.dropped
        return self.violations / ended if ended else 0.0
