"""The rows of a backtest as a table, in 80 columns.

Rule: what was not reached says n.r., what does not apply a dash; over budget is said beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from lab.fluid.backtest import Row
from lab.fluid.trial import Trial, allowed

LEAST_SHOWN = 5e-5
"""What rounds to 0.00 %."""

COLUMNS = ("cost", "violation", "at 1 %", "vs tuned", "unserved", "worst h", "tenant", "acts/h")


def table(rows: Sequence[Row], trial: Trial) -> Table:
    """One line per policy."""
    made = Table(
        title=f"{trial.series.name}, start-up {trial.startup_s:g} s",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    made.add_column("policy", no_wrap=True)
    for name in COLUMNS:
        made.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        reached = row.cost_ratio is not None
        over = row.violation is not None and row.violation > trial.violations
        made.add_row(
            row.policy,
            _cost(row.cost_ratio),
            percent(row.violation) + (" over" if over else ""),
            _cost(row.cost_at_1pct),
            _cost(row.cost_vs_tuned),
            percent(row.unserved),
            percent(row.worst_hour_violation),
            percent(row.worst_tenant_violation),
            f"{row.actions_per_hour:.1f}" if reached and row.actions_per_hour is not None else "-",
        )
    return made


def legend(rows: Sequence[Row]) -> tuple[str, ...]:
    """The table's own words that are in it, in one line; empty: it has none."""
    words = []
    costs = [cost for row in rows for cost in (row.cost_ratio, row.cost_at_1pct, row.cost_vs_tuned)]
    if None in costs:
        words.append("n.r.: not reached, no setting keeps that budget (vs tuned: no HPA does)")
    shares = [
        share
        for row in rows
        for share in (row.violation, row.unserved, row.worst_hour_violation)
        if share is not None
    ]
    if any(0 < share < LEAST_SHOWN for share in shares):
        words.append("0.00%: none at all")
    if None in [row.worst_tenant_violation for row in rows]:
        words.append("-: does not apply, or is not known")
    return ("; ".join(words),) if words else ()


COSTS = (
    "costs are multiples of the clairvoyant schedule; vs tuned is over hpa-tuned's frontier at "
    "equal violation; hpa-tuned and static were chosen after the fact"
)
"""What the columns of costs are, below what the whole rests on."""


def assumptions(trial: Trial) -> tuple[str, ...]:
    """What the table rests on, in a few lines."""
    series = trial.series
    hours = (trial.end_s - trial.begin_s) / 3600
    per_step = trial.capacity * series.step_s
    return (
        f"{len(series.values)} steps of {series.step_s} s; the first half is warm-up, the last "
        f"{hours:.4g} h are scored",
        f"a replica serves {per_step:.6g} a step; demand above 0.9 of what is ready violates; "
        f"replicas {trial.least} to {trial.most}, budget {allowed(trial.violations)}",
    )


def _cost(value: float | None) -> str:
    return "n.r." if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Two decimals; a share that is not 0 is not told as 0.00."""
    if value is None:
        return "-"
    return "<0.01%" if 0 < value < LEAST_SHOWN else f"{value:.2%}"
