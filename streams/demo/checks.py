"""The demo's checks: the run counts only if the account adds up.

Rule: each check names its two numbers; a demo that fails one exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.domain.decision import Decision
from models.domain.outcome import Outcome, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check and its finding."""

    name: str
    ok: bool
    detail: str


def counted(acknowledged: int, aggregated: int) -> Check:
    """Every event that the broker acknowledged is in the aggregates, exactly once."""
    return Check(
        name="every acknowledged event is counted exactly once",
        ok=acknowledged == aggregated,
        detail=f"{acknowledged} acknowledged, {aggregated} in the aggregates",
    )


def answered(decisions: Iterable[Decision], outcomes: Mapping[str, Outcome]) -> Check:
    """Every decision has an outcome."""
    made = [decision.id for decision in decisions]
    missing = [decision_id for decision_id in made if decision_id not in outcomes]
    shown = f", without: {', '.join(missing[:3])}" if missing else ""
    return Check(
        name="every decision has an outcome",
        ok=not missing,
        detail=f"{len(made)} decisions, {len(made) - len(missing)} with an outcome{shown}",
    )


def applied(outcomes: Iterable[Outcome], replicas: int, initial: int) -> Check:
    """The plant has the replicas of the newest applied decision, or those it began with."""
    done = [outcome for outcome in outcomes if outcome.result is Result.APPLIED]
    if not done:
        return Check(
            name="the plant has what it began with, as no decision was applied",
            ok=replicas == initial,
            detail=f"it began with {initial}, and has {replicas}",
        )
    newest = max(done, key=lambda outcome: outcome.epoch)
    wanted = sum(newest.replicas.values())
    return Check(
        name="the plant has what the newest applied decision says",
        ok=wanted == replicas,
        detail=f"{newest.decision} says {wanted}, the plant has {replicas}",
    )
