"""Stride: what sizing is told of a step that is over.

Flow: Foresight -> Stride -> Sizing, Real.
"""

from __future__ import annotations

from msgspec import Struct


class Stride(Struct, frozen=True, kw_only=True, gc=False):
    """One step that is over.  Demand and capacity in the workload's unit.

    ``step`` is its number; ``demand`` of it; ``requests`` in it, 0 where they say nothing of
    the demand's noise; ``patience_steps`` how long a request may take; ``centre`` and ``scale``
    of the forecast for a horizon from now; ``least`` and ``most`` replicas as the spec bounds
    them; ``tolerance`` for scale-in; ``desired`` and ``ready`` replicas as reported, None where
    nobody did; ``slow`` requests that really missed the SLO, of so many that ended, None: not
    measured; ``open`` whether demand is measured at arrival, so that too few replicas do not
    change it; ``acting`` whether replicas are ours to change; ``window_s`` of scale-in as the
    user set it, None: not set.
    """

    step: int
    demand: float
    requests: float
    patience_steps: int
    centre: float
    scale: float
    horizon_s: float
    startup_steps: int
    capacity: float
    least: int
    most: int
    tolerance: float
    budget: float
    desired: int | None
    ready: int | None
    slow: tuple[int, int] | None
    open: bool
    acting: bool = True
    window_s: int | None = None
