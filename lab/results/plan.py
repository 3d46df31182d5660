"""What the document is made of, full or quick.

Rule: seeds and start-ups are all of those named, never a choice of them; whole weeks take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.fluid.registry import POLICIES
from lab.results.cell import Cell
from lab.results.sources import Source

STARTUPS_S = (20.0, 65.0, 155.0, 300.0, 430.0)
"""From a quick pod to a model of tens of gigabytes (published delays)."""

COMPOSED = (
    "azure-conv-2024",
    "servegen",
    "nab-elb",
    "azure-conv-2023",
    "azure-code-2023",
    "mooncake",
)
COMPOSED_POLICIES = ("foretide", "hpa", "hpa-tuned")
COMPOSED_HOURS = 36.0
"""Of a trace before it is composed: a day and a half, of which half is scored.  All seven days
would take five times as long, which is hours on two cores."""

WEEKS = ("azure-conv-2024", "servegen")
"""Composed as they are, all seven days: a seed has one start-up, the next seed the next."""

STEPPED = ("azure-conv-2024", "servegen", "azure-conv-2023")
STEPPED_POLICIES = ("foretide", "kpa", "keda", "hpa")

SWEPT = ("azure-conv-2024", "servegen")
SWEPT_BUDGETS = (0.001, 0.003, 0.01, 0.03, 0.1)
SWEPT_STARTUP_S = 155.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Of what size; ``name`` is how the document calls it."""

    name: str
    traces: tuple[str, ...] | None
    """None: all that ship."""
    hours: float | None
    startups_s: tuple[float, ...]
    composed: tuple[str, ...]
    composed_hours: float
    seeds: tuple[int, ...]
    weeks: tuple[str, ...]
    stepped: tuple[str, ...]
    swept: tuple[str, ...]
    budgets: tuple[float, ...]
    swept_startup_s: float
    served: tuple[str, ...]
    """Traces that run on the per-request plant."""
    served_seeds: tuple[int, ...]


FULL = Plan(
    name="full",
    traces=None,
    hours=None,
    startups_s=STARTUPS_S,
    composed=COMPOSED,
    composed_hours=COMPOSED_HOURS,
    seeds=tuple(range(1, 21)),
    weeks=WEEKS,
    stepped=STEPPED,
    swept=SWEPT,
    budgets=SWEPT_BUDGETS,
    swept_startup_s=SWEPT_STARTUP_S,
    served=("azure-code-2023", "azure-conv-2023", "mooncake"),
    served_seeds=(1, 2, 3, 4, 5),
)

QUICK = Plan(
    name="quick",
    traces=("azure-conv-2024", "nab-elb"),
    hours=24.0,
    startups_s=(65.0, 300.0),
    composed=("azure-conv-2024", "azure-conv-2023"),
    composed_hours=12.0,
    seeds=(1, 2, 3),
    weeks=(),
    stepped=("azure-conv-2023",),
    swept=("azure-conv-2023",),
    budgets=(0.003, 0.01, 0.03),
    swept_startup_s=65.0,
    served=("azure-code-2023",),
    served_seeds=(1,),
)


def cells(plan: Plan, sources: Sequence[Source]) -> list[Cell]:
    """All of them, in the order of the document."""
    names = [source.name for source in sources]
    found = [
        Cell(
            part="traces",
            trace=name,
            startup_s=startup,
            policies=tuple(POLICIES),
            hours=plan.hours,
        )
        for name in names
        for startup in plan.startups_s
    ]
    found += [
        Cell(
            part="compositions",
            trace=name,
            startup_s=startup,
            policies=COMPOSED_POLICIES,
            recipe=str(seed),
            hours=plan.composed_hours,
        )
        for name in plan.composed
        for startup in plan.startups_s
        for seed in plan.seeds
    ]
    found += [
        Cell(
            part="weeks",
            trace=name,
            startup_s=plan.startups_s[place % len(plan.startups_s)],
            policies=COMPOSED_POLICIES,
            recipe=str(seed),
        )
        for name in plan.weeks
        for place, seed in enumerate(plan.seeds)
    ]
    found += [
        Cell(
            part="steps",
            trace=name,
            startup_s=startup,
            policies=STEPPED_POLICIES,
            recipe="step10x",
        )
        for name in plan.stepped
        for startup in plan.startups_s
    ]
    found += [
        Cell(
            part="frontier",
            trace=name,
            startup_s=plan.swept_startup_s,
            policies=("foretide",),
            violations=budget,
        )
        for name in plan.swept
        for budget in plan.budgets
    ]
    found += [
        Cell(part="requests", trace=name, startup_s=0.0, policies=(), seed=seed)
        for name in plan.served
        for seed in plan.served_seeds
    ]
    return found


def sized(plan: Plan, *, composed_hours: float | None, weeks: bool) -> Plan:
    """With another length of compositions (None: its own), and with or without whole weeks."""
    hours = plan.composed_hours if composed_hours is None else composed_hours
    return replace(plan, composed_hours=hours, weeks=plan.weeks if weeks else ())
