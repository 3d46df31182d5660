"""The summary: policies side by side, in a table, plainly, whoever wins.

Rule: the same figures for all, the budget beside the violations, and a sentence that says it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from lab.compare import RunResult
from lab.plant import PlantParameters
from lab.policies import static


def summary_table(results: Sequence[RunResult], parameters: PlantParameters) -> Table:
    """One row per policy, in 80 columns."""
    table = Table(
        title="The same hour, the same plant, three policies",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("policy", no_wrap=True)
    for name in ("served", "p50 s", "p95 s", "violations", "repl.-h", "peak", "actions"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        over = result.violation_share > parameters.violations
        table.add_row(
            result.policy,
            str(result.served),
            seconds(result.latency_p50_s),
            seconds(result.latency_p95_s),
            f"{result.violation_share:.2%}" + (" over" if over else ""),
            f"{result.replica_hours:.2f}",
            str(result.peak_replicas),
            str(result.actions),
        )
    return table


def verdict(results: Sequence[RunResult], parameters: PlantParameters) -> str:
    """Who kept the SLO, and who of those was cheapest."""
    kept = [r for r in results if r.violation_share <= parameters.violations]
    budget = f"the budget of {parameters.violations:.0%} violations"
    if not kept:
        return f"Nobody kept {budget}."
    cheapest = min(kept, key=lambda r: r.replica_hours)
    missed = [r.policy for r in results if r not in kept]
    text = f"{', '.join(r.policy for r in kept)} kept {budget}"
    if missed:
        text += f"; {', '.join(missed)} did not"
    cost = f"{cheapest.policy}, {cheapest.replica_hours:.2f} replica-hours"
    return f"{text}. Cheapest of those that kept it: {cost}."


def static_is(results: Sequence[RunResult], parameters: PlantParameters) -> str:
    """What the constant number of replicas is."""
    kept = [r.policy for r in results if r.violation_share <= parameters.violations]
    if static.NAME in kept:
        return "chosen after the fact: the fewest that keep the budget on this very trace"
    return f"the most that may be, {parameters.max_replicas}, because no number keeps the budget"


def seconds(value: float | None) -> str:
    """Two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"
