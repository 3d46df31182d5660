"""What a backtest found, in plain sentences: whoever wins, and how much it says.

Rule: figures are the rows'; who knew the trace is told apart from who did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.fluid.backtest import Row
from lab.fluid.trial import allowed

HINDSIGHT = frozenset({"hpa-tuned", "static", "clairvoyant"})
"""Chosen after the fact, knowing the trace: nobody could have run them."""

OURS = "foretide"
SHORT_S = 86_400.0
"""A scored part below this has no daily rhythm to foresee."""


TIE = 0.0005
"""Shares below this would be told as 0.0 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``headline`` is one sentence, ``details`` those after it."""

    headline: str
    details: tuple[str, ...]


def verdict(rows: Sequence[Row], budget: float, scored_s: float) -> Verdict:
    """Of all rows that were reached; costs are multiples of the clairvoyant's."""
    if rows and all(row.cost_ratio is None for row in rows):
        return Verdict(headline="No policy had anything to serve in the scored half.", details=())
    reached = [row for row in rows if row.cost_ratio is not None and row.violation is not None]
    fair = sorted((row for row in reached if row.policy not in HINDSIGHT), key=_cost)
    kept = [row for row in fair if _violation(row) <= budget]
    ours = next((row for row in fair if row.policy == OURS), None)
    tuned = next((row for row in reached if row.policy == "hpa-tuned"), None)
    static = next((row for row in reached if row.policy == "static"), None)
    details = [
        _ours(ours, kept),
        _best_hpa(ours, tuned, budget),
        _still(ours, tuned, static, budget),
        _missed(fair, budget),
        _short(scored_s),
    ]
    return Verdict(
        headline=_headline(ours, fair, kept, budget),
        details=tuple(detail for detail in details if detail),
    )


def duration(seconds: float) -> str:
    """29 min, 84 h, 14 days."""
    for name, unit_s, least_s in (("days", 86_400.0, 5 * 86_400.0), ("h", 3600.0, 7200.0)):
        if seconds >= least_s:
            return f"{seconds / unit_s:.3g} {name}"
    return f"{seconds / 60:.3g} min"


def _headline(ours: Row | None, fair: Sequence[Row], kept: Sequence[Row], budget: float) -> str:
    within = f"{allowed(budget)} allowed"
    if not fair:
        return "Only policies that know the trace were run: there is nothing to compare."
    if ours is None:
        return _without_ours(fair, kept, within)
    measured = f"{share(_violation(ours))} violations, {within}"
    if ours in kept:
        return f"Foretide kept the violation budget ({measured}){_place(ours, fair, kept)}."
    text = f"Foretide missed the violation budget ({measured})"
    if kept:
        return f"{text}; {_cheapest(kept[0])}."
    if len(fair) > 1:
        return f"{text}, and so did all others that do not know the trace."
    return f"{text}."


def _without_ours(fair: Sequence[Row], kept: Sequence[Row], within: str) -> str:
    if not kept:
        return f"No policy kept the violation budget ({within}) without knowing the trace."
    some = f"{len(kept)} of {len(fair)} policies kept the violation budget ({within})"
    return f"{some}; {kept[0].policy} was the cheapest, at {_times(kept[0])}."


def _place(ours: Row, fair: Sequence[Row], kept: Sequence[Row]) -> str:
    """Ours among those that kept the budget."""
    if kept[0] is not ours and not _close(kept[0], ours):
        return f", but {kept[0].policy} did so for {_less(kept[0], ours)} less"
    if len(kept) > 1:
        return f" and was the cheapest of the {len(kept)} policies that did"
    return ", the only policy that did without knowing the trace" if len(fair) > 1 else ""


def _ours(ours: Row | None, kept: Sequence[Row]) -> str:
    """What it cost, and who came next."""
    if ours is None:
        return ""
    text = f"It cost {_times(ours)}"
    if ours in kept and kept[0] is ours and len(kept) > 1:
        less = "as much as" if _close(ours, kept[1]) else f"{_less(ours, kept[1])} less than"
        text += f", {less} the next, {kept[1].policy}"
    return f"{text}."


def _best_hpa(ours: Row | None, tuned: Row | None, budget: float) -> str:
    """What ours cost beside it; over the budget too, where less says little."""
    if ours is None or ours.regret is None or tuned is None:
        return ""
    change = f"{_percent(ours.regret)} {'more' if ours.regret > 0 else 'less'}"
    if abs(ours.regret) < TIE:
        change = "as much"
    if _violation(ours) > budget:
        easily = "" if ours.regret > -TIE else ", as is easy for who breaks it"
        return (
            "The best HPA for this very trace, which only hindsight can pick, kept the budget "
            f"({share(_violation(tuned))} violations); Foretide cost {change}{easily}."
        )
    return (
        "Against the best HPA for this very trace, which only hindsight can pick "
        f"({share(_violation(tuned))} violations), it cost {change}."
    )


def _still(ours: Row | None, tuned: Row | None, static: Row | None, budget: float) -> str:
    """Where a number that never changes is cheaper than ours, and than the best HPA."""
    if ours is None or static is None or max(map(_violation, (ours, static))) > budget:
        return ""
    rivals = [ours] if tuned is None or _violation(tuned) > budget else [ours, tuned]
    if any(_cost(static) >= _cost(row) or _close(static, row) for row in rivals):
        return ""
    return (
        "A number of replicas that never changes, which only hindsight can pick too, would have "
        f"cost {_less(static, ours)} less than Foretide."
    )


def _missed(fair: Sequence[Row], budget: float) -> str:
    missed = [
        f"{row.policy} ({share(_violation(row))})"
        for row in sorted(fair, key=_violation)
        if _violation(row) > budget and row.policy != OURS
    ]
    return f"Over the budget: {', '.join(missed)}." if missed else ""


def _short(scored_s: float) -> str:
    if scored_s >= SHORT_S:
        return ""
    return (
        f"Only {duration(scored_s)} are scored: too short to learn a daily rhythm by, and for one "
        "burst to be an exception. A week says more."
    )


def _cheapest(row: Row) -> str:
    return f"{row.policy} was the cheapest that kept it, at {_times(row)}"


def _times(row: Row) -> str:
    return f"{_cost(row):.2f} times the least possible"


def _close(row: Row, other: Row) -> bool:
    """Told as 0.0 %."""
    return abs(_cost(row) - _cost(other)) < TIE * _cost(other)


def _less(row: Row, than: Row) -> str:
    return _percent(1 - _cost(row) / _cost(than)) if _cost(than) else "nothing"


def _percent(share: float) -> str:
    return f"{abs(share):.0%}" if abs(share) >= 0.1 else f"{abs(share):.1%}"  # noqa: PLR2004


def share(value: float) -> str:
    """0.37%, 71.6%, 0.005%: as many digits as say something."""
    if 0.0 < value < 5e-5:  # noqa: PLR2004 - else told as 0.00% or 0.01%
        return f"{100 * value:.1g}%"
    return f"{value:.2%}" if value < 0.1 else f"{value:.1%}"  # noqa: PLR2004 - digits that say something


def _cost(row: Row) -> float:
    return row.cost_ratio or 0.0


def _violation(row: Row) -> float:
    return row.violation or 0.0
