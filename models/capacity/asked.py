"""Asked: whether a spec leaves the capacity to be learned, and in which units.

Rule: what the user gives is not learned; without an SLO nobody says what capacity is.
Flow: ScalerSpec -> Learner.
"""

from __future__ import annotations

from models.capacity.learner import Learner
from models.demand import Unit
from models.domain.spec import ScalerSpec
from models.window import Window

UNITS: tuple[Unit, ...] = ("requests", "concurrency", "tokens")
"""What is learned in where the user does not say; the first stands until another is better.
Requests come from outside; concurrency has the queue in it that it should foretell."""


def learner_for(window: Window, spec: ScalerSpec) -> Learner | None:
    """Who learns the capacity; None: it is given, or there is no SLO to say what capacity is."""
    demand, slo = spec.demand, spec.slo
    if demand.per_replica is not None or slo is None or _all_given(spec):
        return None
    said = "unit" in demand.model_fields_set or any(each.per_replica for each in spec.variants)
    units = (demand.unit,) if said else UNITS
    return Learner(window, slo, units)


def _all_given(spec: ScalerSpec) -> bool:
    return bool(spec.variants) and all(each.per_replica for each in spec.variants)
