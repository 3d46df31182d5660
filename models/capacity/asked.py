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
    if spec.slo is None or _given(spec):
        return None
    return Learner(window, spec.slo, units_of(spec))


def units_of(spec: ScalerSpec) -> tuple[Unit, ...]:
    """The unit of demand; several: it is learned which.

    A number that is given is in the unit that is, or is the default.
    """
    said = "unit" in spec.demand.model_fields_set or any(each.per_replica for each in spec.variants)
    return (spec.demand.unit,) if said or spec.slo is None or _given(spec) else UNITS


def _given(spec: ScalerSpec) -> bool:
    """Whether a number is given for every replica."""
    all_are = bool(spec.variants) and all(each.per_replica for each in spec.variants)
    return spec.demand.per_replica is not None or all_are
