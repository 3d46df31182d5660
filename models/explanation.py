"""Explanation: from what a Scaler worked out to the record that answers "why 7 and not 8".

Rule: only states what was computed; the last guard that changed the number names the reason.
Flow: Scaler -> Verdict.
"""

from __future__ import annotations

from msgspec import Struct

from models.domain.decision import (
    Alternative,
    Binding,
    Cause,
    Inputs,
    ModelInfo,
    Reason,
    SizingInfo,
    Stamp,
    State,
)
from models.domain.spec import ScalerSpec
from models.forecasting.forecaster import VERSION, Forecaster
from models.policy import Context, Mark
from models.verdict import Verdict


class Explained(Struct, frozen=True, gc=False):
    """A wish and its reason, what each guard made of it, and what came out.

    ``demand`` is what was sized for, None where it was not demand.
    """

    wish: int
    reason: Reason
    why: str
    demand: float | None
    marks: tuple[tuple[str, int, Mark], ...]
    final: int


class Known(Struct, frozen=True, kw_only=True, gc=False):
    """What the Scaler knew.

    ``demand``, ``ahead`` (what was sized for at the horizon) and a replica's ``capacity`` in
    ``unit``; ``latency_s`` at the SLO's quantile.
    """

    spec: ScalerSpec
    unit: str
    capacity: float | None
    forecaster: Forecaster
    ahead: float | None
    sizing: SizingInfo | None
    demand: float | None
    horizon_s: float
    latency_s: float | None
    corrections: int


def verdict(
    known: Known,
    context: Context,
    cause: Cause | None,
    explained: Explained,
    before: State,
    after: State,
    *,
    reissued: bool,
) -> Verdict:
    """The verdict with everything that led to it."""
    spec = known.spec
    capacity = known.capacity
    outlook = known.forecaster.outlook
    above = None if known.ahead is None else known.forecaster.overload_probability(known.ahead)
    trust = "cold" if outlook is None else outlook.trust
    return Verdict(
        mode="shadow" if spec.mode == "Shadow" else "active",
        from_=before,
        to=after,
        reason=_reason(explained, reissued=reissued),
        trail=_trail(explained),
        inputs=Inputs(
            unit=known.unit,
            demand=_rounded(known.demand),
            forecast=None if outlook is None else _rounded(outlook.centre),
            forecast_quantile=_rounded(known.ahead),
            quantile=None if above is None else round(1.0 - above, 4),
            horizon_s=known.horizon_s,
            capacity_per_replica=_rounded(capacity),
            desired=context.current,
            ready=context.ready,
            starting=context.starting,
            age_s=None if cause is None else round(context.now - cause.at, 6),
            latency_s=_rounded(known.latency_s),
            slo_s=None if spec.slo is None else spec.slo.latency_seconds,
            corrections=known.corrections,
            missing_s=int(context.silent_s) if context.missing and context.silent_s else 0,
            cause=cause,
        ),
        model=ModelInfo(
            name="mixture" if trust == "predictive" else "last-value",
            version=VERSION,
            trust=trust,
            why="no step is complete yet" if outlook is None else outlook.why,
        ),
        binding=_binding(explained),
        alternatives=_alternatives(known, explained.final, capacity),
        sizing=known.sizing,
    )


def _reason(explained: Explained, *, reissued: bool) -> Reason:
    if reissued:
        return Reason.REISSUED
    return explained.marks[-1][2].reason if explained.marks else explained.reason


def _trail(explained: Explained) -> tuple[Stamp, ...]:
    wish = Stamp(guard="wish", before=explained.wish, after=explained.wish, why=explained.why)
    return (
        wish,
        *(
            Stamp(guard=name, before=before, after=mark.replicas, why=mark.why)
            for name, before, mark in explained.marks
        ),
    )


def _binding(explained: Explained) -> Binding | None:
    if explained.marks:
        mark = explained.marks[-1][2]
        return Binding(constraint=mark.constraint, limit=mark.limit)
    if explained.demand is None:
        return None
    return Binding(constraint="demand", limit=round(explained.demand, 6))


def _alternatives(known: Known, final: int, capacity: float | None) -> tuple[Alternative, ...]:
    price = known.spec.cost_per_hour
    made = []
    for replicas in (final - 1, final, final + 1):
        if replicas < 0:
            continue
        risk = (
            None if capacity is None else known.forecaster.overload_probability(replicas * capacity)
        )
        made.append(
            Alternative(
                replicas=replicas,
                cost_per_hour=None if price is None else round(replicas * price, 6),
                overload_probability=_rounded(risk),
            )
        )
    return tuple(made)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
