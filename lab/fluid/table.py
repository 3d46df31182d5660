"""The rows of a backtest as a table, in 80 columns.

Rule: what was not reached says n.r., what does not apply a dash; over budget is said beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from lab.fluid.backtest import Row
from lab.fluid.trial import Trial

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
            _percent(row.violation) + (" over" if over else ""),
            _cost(row.cost_at_1pct),
            _cost(row.cost_vs_tuned),
            _percent(row.unserved),
            _percent(row.worst_hour_violation),
            _percent(row.worst_tenant_violation),
            f"{row.actions_per_hour:.1f}" if reached and row.actions_per_hour is not None else "-",
        )
    return made


def assumptions(trial: Trial) -> tuple[str, ...]:
    """What the table rests on, in a few lines."""
    series = trial.series
    hours = (trial.end_s - trial.begin_s) / 3600
    per_step = trial.capacity * series.step_s
    return (
        f"{len(series.values)} steps of {series.step_s} s; the first half is warm-up, the last "
        f"{hours:.4g} h are scored",
        f"a replica serves {per_step:.6g} a step; demand above 0.9 of what is ready violates; "
        f"replicas {trial.least} to {trial.most}, budget {trial.violations:.2%}",
        "costs are multiples of the clairvoyant schedule; vs tuned is over hpa-tuned's frontier "
        "at equal violation; hpa-tuned and static were chosen after the fact",
    )


def _cost(value: float | None) -> str:
    return "n.r." if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"
