"""The account: what a run served, what it broke, and what it cost.

Rule: counted where it happens, never estimated afterwards; a starting replica costs, a draining
one too.  ``settle`` proves the books: conservation, and Little's law.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence


class AccountError(AssertionError):
    """The books of a run do not balance: the plant has a fault.  The text has both sides."""


class Account:
    """Fed by the plant; times in seconds."""

    def __init__(self, *, slo_s: float) -> None:
        self._slo_s = slo_s
        self.latencies: list[tuple[float, float]] = []
        """(finished at, latency) of every served request."""
        self.waits = array("d")
        """Seconds until it was (last) begun, of every served request, in the same order."""
        self.first_tokens = array("d")
        """Seconds until its prompt was done, of every served request, in the same order."""
        self.arrived = 0
        self.dropped = 0
        self.lost = 0
        self.retried = 0
        self.overdue = 0
        """Requests that were still in the system at the end, and older than the SLO by then."""
        self.violations = 0
        self.tenants: dict[str, list[int]] = {}
        """Requests that ended and violations among them, by tenant, where tenants are known."""
        self.replica_seconds = 0.0
        self.cost_seconds = 0.0
        """Replica-seconds, each times its variant's cost."""
        self.failures = 0
        self.actions = 0
        self.series: list[tuple[float, int, int, int, int]] = []
        """(at, in system, desired, ready, alive) once a gauge interval."""
        self._alive = 0
        self._rate = 0.0
        self._since: float | None = None
        self._inside = 0
        self._began: float | None = None
        self._moved = 0.0
        self._area = 0.0
        self._sojourns = 0.0

    def entered(self, at: float) -> None:
        """A request arrived."""
        self.arrived += 1
        self._move(at, 1)

    def finished(
        self,
        at: float,
        latency_s: float,
        *,
        wait_s: float = 0.0,
        first_token_s: float = 0.0,
        tenant: str = "",
    ) -> None:
        """A request was served."""
        self.latencies.append((at, latency_s))
        self.waits.append(wait_s)
        self.first_tokens.append(first_token_s)
        self._sojourns += latency_s
        self._move(at, -1)
        self._ended(tenant, broken=latency_s > self._slo_s)

    def drop(self, at: float, *, tenant: str = "") -> None:
        """A request was dropped on arrival: it counts as a violation."""
        self.dropped += 1
        self._move(at, -1)
        self._ended(tenant, broken=True)

    def lose(self, at: float, latency_s: float, *, tenant: str = "") -> None:
        """A request was lost with its replica: it counts as a violation."""
        self.lost += 1
        self._sojourns += latency_s
        self._move(at, -1)
        self._ended(tenant, broken=True)

    def alive(self, at: float, replicas: int, cost: float | None = None) -> None:
        """From ``at`` on ``replicas`` cost: starting, ready and draining ones.

        ``cost`` is the sum of their variants' costs; left out: 1 each.
        """
        if self._since is not None:
            self.replica_seconds += self._alive * (at - self._since)
            self.cost_seconds += self._rate * (at - self._since)
        self._alive, self._since = replicas, at
        self._rate = float(replicas) if cost is None else cost

    def spent_s(self, at: float) -> float:
        """Replica-seconds up to ``at``, which is not before the last change."""
        since = at if self._since is None else self._since
        return self.replica_seconds + self._alive * (at - since)

    def settle(self, at: float, arrived_at: Sequence[float]) -> None:
        """The run is over at ``at``; these, by arrival, are still in the system.

        Raises ``AccountError`` unless arrived = served + dropped + lost + in system, and the time
        integral of the number in the system equals the sum of the times spent in it (Little's
        law on a path: L T = sum of W, exactly, when those still inside count up to now).  The
        two sides are kept apart: one from counts at each arrival and departure, the other from
        each request's own clock.
        """
        self.alive(at, 0, 0.0)
        ended = self.served + self.dropped + self.lost
        if self.arrived != ended + len(arrived_at):
            raise AccountError(
                f"{self.arrived} requests arrived, but {self.served} served + {self.dropped} "
                f"dropped + {self.lost} lost + {len(arrived_at)} in the system are "
                f"{ended + len(arrived_at)}"
            )
        self._move(at, 0)
        times = self._sojourns + sum(at - arrived for arrived in arrived_at)
        # Unix seconds are exact to a quarter of a microsecond.
        if abs(self._area - times) > 1e-6 * (1 + self.arrived) + 1e-9 * self._area:
            raise AccountError(
                f"Little's law: the number in the system adds up to {self._area!r} "
                f"request-seconds, the requests' own times to {times!r}"
            )
        self.overdue = sum(at - arrived > self._slo_s for arrived in arrived_at)
        self.violations += self.overdue

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

    def mean_in_system(self) -> float:
        """L: requests in the system, averaged over the time up to the last change."""
        span = self._moved - self._began if self._began is not None else 0.0
        return self._area / span if span > 0 else 0.0

    def violation_share(self) -> float:
        """Violations over all requests that ended or are overdue; 0 when none are."""
        ended = self.served + self.dropped + self.lost + self.overdue
        return self.violations / ended if ended else 0.0

    def _move(self, at: float, by: int) -> None:
        if self._began is None:
            self._began = self._moved = at
        self._area += self._inside * (at - self._moved)
        self._inside += by
        self._moved = at

    def _ended(self, tenant: str, *, broken: bool) -> None:
        self.violations += broken
        if tenant:
            row = self.tenants.setdefault(tenant, [0, 0])
            row[0] += 1
            row[1] += broken
