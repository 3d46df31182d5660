"""Explanation: from what a Scaler worked out to the record that answers "why 7 and not 8".

Rule: only states what was computed; the last guard that changed the number names the reason.
Flow: Scaler -> Verdict.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    VariantCapacity,
)
from models.domain.spec import ScalerSpec
from models.forecasting.forecaster import VERSION, Forecaster
from models.policy import Context, Mark
from models.serves import Serves
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

    ``demand``, ``ahead`` (what was sized for at the horizon), what replicas serve, and what one of
    each variant was learned or said to (``capacities``), in ``unit``; ``latency_s`` at the SLO's
    quantile.
    """

    spec: ScalerSpec
    unit: str
    serves: Serves | None
    capacities: Mapping[str, float]
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
    serves = known.serves
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
            capacity_per_replica=None if serves is None else round(serves.each, 6),
            capacity_by_variant=_by_variant(known),
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
        alternatives=_alternatives(known, explained.final),
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


def _by_variant(known: Known) -> dict[str, VariantCapacity]:
    counted = {} if known.serves is None else known.serves.counted
    return {
        name: VariantCapacity(serves=_rounded(known.capacities.get(name)), counted=round(value, 6))
        for name, value in counted.items()
    }


def _alternatives(known: Known, final: int) -> tuple[Alternative, ...]:
    serves = known.serves
    price = known.spec.cost_per_hour
    made = []
    for replicas in (final - 1, final, final + 1):
        if replicas < 0:
            continue
        risk = (
            None if serves is None else known.forecaster.overload_probability(serves.of(replicas))
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
