"""The targets, held against what Foretide did in one cell.

Rule: a target is kept, missed, or cannot be told, because what it is measured by was not reached;
that last is counted on its own and never as kept.  Over the budget cost is a miss, whatever it was:
who breaks it is cheaper easily.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lab.fluid.backtest import Row
from lab.results.cell import Found

MOST_ACTIONS = 12.0
SLACK = 1e-9
"""Sums of floats that should be equal are, to this."""

TARGETS = {
    "violation": "violations at most the budget",
    "unserved": "unserved at most hpa-tuned's",
    "worst hour": "worst hour at most hpa-tuned's",
    "vs tuned": "within the budget, and cost at most hpa-tuned's at equal violation",
    "actions": "actions an hour at most the larger of 12 and hpa-tuned's",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``kept`` by target; None: cannot be told."""

    found: Found
    ours: Row
    tuned: Row
    kept: dict[str, bool | None]

    @property
    def missed(self) -> int:
        """How many are missed."""
        return sum(kept is False for kept in self.kept.values())


def judge(found: Found) -> Verdict:
    """Foretide against hpa-tuned in one cell that has both."""
    ours, tuned = found.row("foretide"), found.row("hpa-tuned")
    within_budget = _within(ours.violation, found.cell.violations)
    actions = max(MOST_ACTIONS, tuned.actions_per_hour or 0.0)
    return Verdict(
        found=found,
        ours=ours,
        tuned=tuned,
        kept={
            "violation": within_budget,
            "unserved": _within(ours.unserved, tuned.unserved),
            "worst hour": _within(ours.worst_hour_violation, tuned.worst_hour_violation),
            "vs tuned": within_budget and _within(ours.cost_vs_tuned, 1.0),
            "actions": _within(ours.actions_per_hour, actions),
        },
    )


def worst_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """By targets missed, then violation, then cost over hpa-tuned's."""
    return sorted(
        verdicts,
        key=lambda v: (-v.missed, -(v.ours.violation or 0.0), -(v.ours.cost_vs_tuned or 0.0)),
    )


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those there are; None: of none.  0.5 and 2 have 1."""
    logs = [math.log(value) for value in values if value is not None and value > 0]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _within(value: float | None, most: float | None) -> bool | None:
    return None if value is None or most is None else value <= most + SLACK
