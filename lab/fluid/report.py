"""A backtest as one HTML file: table, frontier, demand and replicas over time, assumptions.

Rule: figures are the rows', never computed a second way; readable without a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from lab.fluid.backtest import Backtest, Row
from lab.fluid.frontier_chart import frontier_chart
from lab.fluid.run import Run
from lab.fluid.schedule import ready
from lab.fluid.table import assumptions
from lab.report.charts import Band, Line, chart, thinned

DAY_S = 86_400.0
LINES = {"foretide": "ours", "hpa": "hpa", "hpa-tuned": "hpa", "clairvoyant": "oracle"}
SHOWN = ("foretide", "hpa-tuned", "clairvoyant")
"""Policies drawn over time: more than three lines are not read."""

Points = list[tuple[float, float]]


def render(path: Path, found: Backtest, told: Sequence[str] = ()) -> None:
    """Write the report to ``path``; ``told`` is what a composition did.  Raises ``OSError``."""
    loader = jinja2.ChoiceLoader(
        [jinja2.PackageLoader("lab.fluid", "."), jinja2.PackageLoader("lab.report", ".")]
    )
    page = jinja2.Environment(loader=loader, autoescape=True).get_template("report.html")
    trial = found.trial
    charts = [frontier_chart(found)]
    begin, end = trial.begin_s, trial.end_s
    charts += _over_time(found, begin, end, "the scored half")
    worst = _worst_day(found)
    if end - begin > 1.5 * DAY_S and worst is not None:
        name, at = worst
        charts += _over_time(found, at, min(at + DAY_S, end), f"the worst day of {name}")
    path.write_text(
        page.render(
            trace=trial.series.name,
            startup=f"{trial.startup_s:g}",
            verdict=verdict(found.rows, trial.violations),
            rows=[_cells(row, trial.violations) for row in found.rows],
            charts=charts,
            assumptions=[*told, *assumptions(trial)],
        ),
        encoding="utf-8",
    )


def verdict(rows: Sequence[Row], budget: float) -> str:
    """Who kept the budget, and who of those that knew no trace was cheapest."""
    reached = [row for row in rows if row.cost_ratio is not None and row.violation is not None]
    fair = [row for row in reached if row.policy not in {"hpa-tuned", "static", "clairvoyant"}]
    kept = [row for row in fair if (row.violation or 0.0) <= budget]
    missed = [f"{row.policy} ({row.violation or 0.0:.2%})" for row in fair if row not in kept]
    if kept:
        best = min(kept, key=lambda row: row.cost_ratio or 0.0)
        text = (
            f"Of those that did not know the trace, within the budget of {budget:.2%} violations: "
            f"{', '.join(row.policy for row in kept)}; cheapest {best.policy}, at "
            f"{best.cost_ratio:.3f} times the clairvoyant."
        )
    else:
        text = f"No policy that did not know the trace kept the budget of {budget:.2%} violations."
    return f"{text} Over it: {', '.join(missed)}." if missed else text


def _over_time(found: Backtest, begin: float, end: float, name: str) -> list[Markup]:
    trial, length = found.trial, end - begin
    step_s = trial.series.step_s
    at = np.arange(begin, end, step_s)
    values = trial.series.values[(at // step_s).astype(np.int64)]
    demand = [
        (float(t - begin), float(v)) for t, v in zip(at, values, strict=True) if not np.isnan(v)
    ]
    runs = [(policy, run) for policy, run in found.runs if policy in SHOWN and run is not None]
    bands = [band for _, run in runs if (band := _band(run, begin, end, step_s)) is not None]
    lines = [
        Line(
            name=f"{policy}, ready",
            css=LINES.get(policy, "static"),
            points=thinned(_ready(found, run, at, begin)),
            step=True,
        )
        for policy, run in runs
    ]
    return [
        chart(
            f"Demand, {name}",
            f"in {step_s} s",
            length,
            lines=[Line(name="demand", css="demand", points=demand)],
            bands=bands,
        ),
        chart(f"Replicas, {name}", "count", length, lines=lines),
    ]


def _ready(found: Backtest, run: Run, at: np.ndarray, begin: float) -> Points:
    counts = ready(run.asked, found.trial.startup_s).value(at)
    return [(float(t - begin), float(n)) for t, n in zip(at, counts, strict=True)]


def _band(run: Run, begin: float, end: float, step_s: int) -> Band | None:
    """Forecasts where they were due: from the centre to the upper quantile."""
    kept = [(due - begin, c, upper) for due, c, upper in run.forecasts if begin <= due < end]
    if not kept:
        return None
    every = max(len(kept) // 600, 1)
    return Band(
        name="forecast a horizon before: centre to upper quantile",
        css="forecast",
        low=[(at, centre * step_s) for at, centre, _ in kept[::every]],
        high=[(at, upper * step_s) for at, _, upper in kept[::every]],
    )


def _worst_day(found: Backtest) -> tuple[str, float] | None:
    """The first policy, and when the scored day began in which it was short for longest."""
    first = next(((name, run) for name, run in found.runs if run is not None), None)
    if first is None:
        return None
    name, run = first
    trial = found.trial
    step_s, half = trial.series.step_s, trial.series.half
    at = np.arange(half, len(trial.series.values), dtype=np.float64) * step_s
    short = ready(run.asked, trial.startup_s).value(at) < trial.needed()[half:]
    days = ((at - trial.begin_s) // DAY_S).astype(np.int64)
    return name, float(trial.begin_s + DAY_S * int(np.bincount(days, short).argmax()))


def _cells(row: Row, budget: float) -> dict[str, object]:
    return {
        "policy": row.policy,
        "cost": _number(row.cost_ratio, "n.r."),
        "violation": _share(row.violation),
        "over": row.violation is not None and row.violation > budget,
        "at_1pct": _number(row.cost_at_1pct, "n.r."),
        "at_01pct": _number(row.cost_at_01pct, "n.r."),
        "vs_tuned": _number(row.cost_vs_tuned, "n.r."),
        "unserved": _share(row.unserved),
        "worst_hour": _share(row.worst_hour_violation),
        "worst_tenant": _share(row.worst_tenant_violation),
        "actions": "-" if row.actions_per_hour is None else f"{row.actions_per_hour:.1f}",
        "regret": "-" if row.regret is None else f"{row.regret:+.1%}",
        "us": "-" if row.us_per_decision is None else f"{row.us_per_decision:.1f}",
    }


def _number(value: float | None, none: str) -> str:
    return none if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"
