"""What the plant tells: requests that started and ended, and gauges.

Rule: nothing here that a real service could not know at ``at``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A request arrived at the gateway; its prompt is known, its completion is not.

    ``opens``: it is the first of its session.
    """

    at: float
    tokens_in: int
    tenant: str = ""
    session: str = ""
    opens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A request ended.  ``latency_s`` counts from its arrival.

    ``status`` is ``ok``; ``dropped`` where the queue is full, or ``error``, lost with a replica: in
    both ``pod`` is None and nothing came out.  ``variant`` is that of the replica that served it,
    lost it, or dropped it from a queue of its own; empty where the gateway dropped it.
    """

    at: float
    latency_s: float
    tokens_in: int
    tokens_out: int
    pod: str | None
    status: Literal["ok", "dropped", "error"] = "ok"
    tenant: str = ""
    session: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What one ready pod reports of itself.

    ``queue_depth`` is what waits at it, and its share of the gateway's queue.
    """

    at: float
    pod: str
    in_flight: int
    queue_depth: int
    busy_ratio: float
    variant: str = ""


PlantEvent = Started | Finished | Gauge
