"""Second: the totals of one workload in one event-time second, summed over sources and blocks.

Rule: sums are integers; restating a second replaces it, it never adds.
Flow: merge -> Second -> Scaler.observe.
"""

from __future__ import annotations

from msgspec import Struct, field


class Second(Struct, kw_only=True):
    """Totals so far; fields as in ``models.domain.load.Load``.

    ``has_starts`` is in the Scaler, not here: a second without starts is not a service without.
    """

    second: int
    events: int = 0
    started: int = 0
    finished: int = 0
    errors: int = 0
    dropped: int = 0
    latency_count: int = 0
    latency_us: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    tokens_in_started: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tenants: dict[str, int] = field(default_factory=dict)
