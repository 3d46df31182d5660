"""Shadow: what Foretide would have done, beside what ran, scored alike on the same demand.

Rule: what ran is scored by the replicas that were really ready and alive, Foretide by those that
its start-up time would have given it; demand, budget, capacity and clairvoyant are the same.
Flow: recorded replicas -> Ran -> Score; Trial -> backtest -> rows, side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

from lab.fluid.backtest import Backtest, Row, backtest
from lab.fluid.run import Progress, silent
from lab.fluid.schedule import Schedule, schedule
from lab.fluid.score import score
from lab.fluid.table import percent
from lab.fluid.trial import Trial, allowed
from models.domain.spec import AgentScaler

RAN = "what ran"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ran:
    """Replicas over time, as they were: asked for, alive (they cost), and ready."""

    asked: Schedule
    alive: Schedule
    ready: Schedule

    @classmethod
    def of(cls, reports: Sequence[tuple[float, int, int, int]]) -> Ran:
        """Of reports (at, desired, ready, starting), seconds since the trial's begin, in order.

        A report holds until the next; the first also holds before it, and reports from before
        the begin have negative times.
        """
        rows = np.array(reports, dtype=np.float64).reshape(-1, 4)
        at = np.maximum(rows[:, 0], 0.0)
        last = np.concatenate([at[1:] != at[:-1], [True]])  # Of several at 0 the newest holds.
        at, counts = at[last], rows[last, 1:].astype(np.int64)
        at[0] = 0.0
        return cls(
            asked=schedule(at, counts[:, 0]),
            alive=schedule(at, counts[:, 1] + counts[:, 2]),
            ready=schedule(at, counts[:, 1]),
        )


def shadow(
    trial: Trial,
    ran: Ran,
    *,
    spec: AgentScaler | None = None,
    progress: Callable[[str], Progress] = lambda _: silent,
) -> Backtest:
    """Rows of ``RAN`` and of foretide."""
    scored = score(trial, ran.asked, standing=ran.ready, alive=ran.alive)
    return backtest(trial, ["foretide"], spec=spec, watched={RAN: scored}, progress=progress)


def table(found: Backtest, workload: str, measured: float | None = None) -> Table:
    """A line per figure, a column for each of the two.

    ``measured``: the share of requests that really were late in what ran, where that is known.
    """
    made = Table(title=workload, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("", no_wrap=True)
    for row in found.rows:
        made.add_column(row.policy, justify="right", no_wrap=True)
    budget = found.trial.violations
    lines: tuple[tuple[str, Callable[[Row], str]], ...] = (
        ("replica-hours", lambda row: _number(found.replica_hours(row), 2)),
        ("cost, times the clairvoyant's", lambda row: _number(row.cost_ratio, 3)),
        ("violations", lambda row: percent(row.violation) + _over(row.violation, budget)),
        ("unserved", lambda row: percent(row.unserved)),
        ("worst hour's violations", lambda row: percent(row.worst_hour_violation)),
        ("actions an hour", lambda row: _number(row.actions_per_hour, 1)),
        ("cost over hpa-tuned's at equal violation", lambda row: _number(row.cost_vs_tuned, 3)),
    )
    for name, cell in lines:
        made.add_row(name, *(cell(row) for row in found.rows))
    if measured is not None:
        made.add_row("requests that were late, as measured", percent(measured), "-")
    return made


def verdict(found: Backtest, measured: float | None = None) -> str:
    """Both sides in a sentence; cost is only called better where the budget is kept as well.

    ``measured`` as in ``table``; what replicas do not explain is said in a second one.
    """
    text, budget = _compared(found), found.trial.violations
    if measured is None or measured <= budget or (found.rows[0].violation or 0.0) > budget:
        return text
    return (
        f"{text} That is by demand and replicas: as measured {percent(measured)} of the requests "
        "of what ran were late, which its replicas do not explain."
    )


COSTS = (
    "cost is replica-seconds over those of the clairvoyant, the cheapest schedule that knows the "
    "trace; hpa-tuned's is read off the frontier of 144 HPA settings, chosen after the fact"
)
"""What the rows of costs are, below what the whole rests on."""


def _compared(found: Backtest) -> str:
    ran, ours = found.rows
    hours = [found.replica_hours(row) for row in found.rows]
    before, after = hours
    if not before or after is None:
        return "Nothing ran, so that there is nothing to hold Foretide against."
    change = after / before - 1
    costs = f"{abs(change):.1%} {'more' if change > 0 else 'fewer'} replica-hours"
    kept = [(row.violation or 0.0) <= found.trial.violations for row in (ran, ours)]
    text, budget = f"Foretide would have used {costs}", allowed(found.trial.violations)
    if kept == [True, True]:
        return f"{text}; both keep the budget of {budget} violations."
    if kept == [False, True]:
        return f"{text}, and kept the budget of {budget} violations, which what ran did not."
    if kept == [True, False]:
        return f"{text}, but not kept the budget of {budget} violations, which what ran did."
    return f"{text}; neither keeps the budget of {budget} violations."


def _over(violation: float | None, budget: float) -> str:
    return " over" if violation is not None and violation > budget else ""


def _number(value: float | None, decimals: int) -> str:
    return "n.r." if value is None else f"{value:.{decimals}f}"
