"""Forecast and proposal: what demand will be, and what one workload would want alone.

Rule: a forecast says how it was made and how far to trust it; quantiles never cross the centre.
Flow: plan -> foretide.forecasts (audit, view); plan -> foretide.proposals -> allocate.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from models.domain.decision import Decision
from models.domain.version import Version, version


class Forecast(Struct, frozen=True, gc=False, kw_only=True):
    """Predicted demand of the step at ``at + horizon_s``; ``centre`` is the median.

    ``quantiles`` maps a level such as ``"0.95"`` to demand in ``unit``.
    """

    v: Version = version()
    workload: str
    at: float
    horizon_s: float
    unit: str
    demand: float
    centre: float
    quantiles: dict[str, float]
    trust: Literal["predictive", "reactive", "cold"]
    model: str


class Proposal(Struct, frozen=True, gc=False, kw_only=True):
    """What a workload of a pool would want if capacity were endless, as a decision in waiting.

    ``resources`` is what one replica takes of the pool, in the pool's own resource names.
    """

    v: Version = version()
    pool: str
    weight: float
    min_replicas: int
    resources: dict[str, float]
    wanted: Decision
