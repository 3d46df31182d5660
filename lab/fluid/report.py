"""A backtest as one HTML file: verdict, frontier, table, demand and replicas over time, premises.

Rule: figures are the rows', never computed a second way; readable without a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lab.fluid.backtest import Backtest
from lab.fluid.cells import columns, groups
from lab.fluid.frontier_chart import frontier_chart
from lab.fluid.premises import premises
from lab.fluid.run import Run
from lab.fluid.schedule import ready
from lab.fluid.verdict import duration, verdict
from lab.report.charts import Band, Line, Spans, chart
from models.domain.spec import AgentScaler
from models.grid import STEP_S

DAY_S = 86_400.0
LINES = {"foretide": "ours", "hpa": "hpa", "hpa-tuned": "hpa", "clairvoyant": "oracle"}
REFERENCES = ("hpa-tuned", "hpa")
"""Drawn over time beside Foretide: the first that was run.  More than three lines are not read."""

Points = list[tuple[float, float]]


def rendered(
    found: Backtest,
    told: Sequence[str] = (),
    spec: AgentScaler | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The report's HTML; ``told`` is what a composition did, ``spec`` what was run by, if any.

    ``notes``: what makes its figures say little.
    """
    loader = jinja2.ChoiceLoader(
        [jinja2.PackageLoader("lab.fluid", "."), jinja2.PackageLoader("lab.report", ".")]
    )
    page = jinja2.Environment(loader=loader, autoescape=True).get_template("report.html")
    trial = found.trial
    begin, end = trial.begin_s, trial.end_s
    charts = _over_time(found, begin, end, "the scored half")
    worst = _worst_day(found)
    if end - begin > 1.5 * DAY_S and worst is not None:
        name, at = worst
        since = duration(at - begin) if at > begin else "its begin"
        where = f"the worst day of {name}, from {since} on"
        charts += _over_time(found, at, min(at + DAY_S, end), where)
    return page.render(
        trace=trial.series.name,
        startup=f"{trial.startup_s:g}",
        scored=duration(end - begin),
        verdict=verdict(found.rows, trial.violations, end - begin),
        notes=notes,
        columns=columns(found.rows),
        groups=groups(found),
        frontier=frontier_chart(found),
        charts=charts,
        assumptions=[*told, *premises(trial, spec)],
    )


def _over_time(found: Backtest, begin: float, end: float, name: str) -> list[Markup]:
    trial, length = found.trial, end - begin
    step_s = trial.series.step_s
    at = np.arange(begin, end, step_s)
    values = trial.series.values[(at // step_s).astype(np.int64)]
    demand = [
        (float(t - begin), float(v)) for t, v in zip(at, values, strict=True) if not np.isnan(v)
    ]
    runs = _shown(found)
    bands = [band for _, run in runs if (band := _band(run, begin, end, step_s)) is not None]
    lines = [
        Line(
            name=f"{policy}, ready",
            css=LINES.get(policy, "static"),
            points=_ready(found, run, at, begin),
            step=True,
        )
        for policy, run in runs
    ]
    return [
        chart(
            f"Demand, {name}",
            f"in each {step_s} s",
            length,
            lines=[Line(name="demand", css="demand", points=demand, gap_s=1.5 * step_s)],
            bands=bands,
        ),
        chart(f"Replicas, {name}", "count", length, lines=lines, spans=_overloads(found, at)),
    ]


def _shown(found: Backtest) -> list[tuple[str, Run]]:
    """What is drawn over time; without Foretide the first policy takes its place."""
    runs = {name: run for name, run in found.runs if run is not None}
    first = "foretide" if "foretide" in runs else next(iter(runs), None)
    second = next((name for name in REFERENCES if name in runs), None)
    wanted = [name for name in (first, second, "clairvoyant") if name is not None]
    return [(name, runs[name]) for name in dict.fromkeys(wanted) if name in runs]


def _ready(found: Backtest, run: Run, at: np.ndarray, begin: float) -> Points:
    counts = ready(run.asked, found.trial.startup_s).value(at)
    points = [(float(t - begin), float(n)) for t, n in zip(at, counts, strict=True)]
    return [*points, (points[-1][0] + found.trial.series.step_s, points[-1][1])]


def _band(run: Run, begin: float, end: float, step_s: int) -> Band | None:
    """Forecasts where they were due: from the centre to the upper quantile."""
    kept = [(due - begin, c, upper) for due, c, upper in run.forecasts if begin <= due < end]
    if not kept:
        return None
    every = max(len(kept) // 600, 1)
    # Each is of a step of 10 s or a second; of a step that nobody measured there is none.
    return Band(
        name="foretide's forecast, a start-up ahead: centre to upper quantile",
        css="forecast",
        low=[(at, centre * step_s) for at, centre, _ in kept[::every]],
        high=[(at, upper * step_s) for at, _, upper in kept[::every]],
        gap_s=max(step_s, every * STEP_S) * 1.5,
    )


def _short(found: Backtest, run: Run, at: np.ndarray) -> NDArray[np.bool_]:
    """At which of the steps that begin ``at`` fewer were ready than demand needed."""
    trial = found.trial
    needed = trial.needed()[(at // trial.series.step_s).astype(np.int64)]
    short: NDArray[np.bool_] = ready(run.asked, trial.startup_s).value(at) < needed
    return short


def _overloads(found: Backtest, at: np.ndarray) -> list[Spans]:
    """When the first policy had too few, from the begin of what is drawn on."""
    first = next(((name, run) for name, run in found.runs if run is not None), None)
    if first is None:
        return []
    name, run = first
    edges = np.diff(np.concatenate([[False], _short(found, run, at), [False]]).astype(np.int8))
    step_s = float(found.trial.series.step_s)
    begins, ends = np.flatnonzero(edges == 1) * step_s, np.flatnonzero(edges == -1) * step_s
    times = list(zip(begins.tolist(), ends.tolist(), strict=True))
    return [Spans(name=f"{name} has too few", css="short", times=times)] if times else []


def _worst_day(found: Backtest) -> tuple[str, float] | None:
    """The first policy, and when the scored day began in which it was short for longest.

    None: it never was.
    """
    first = next(((name, run) for name, run in found.runs if run is not None), None)
    if first is None:
        return None
    name, run = first
    trial = found.trial
    step_s, half = trial.series.step_s, trial.series.half
    at = np.arange(half, len(trial.series.values), dtype=np.float64) * step_s
    short = _short(found, run, at)
    if not short.any():
        return None
    days = ((at - trial.begin_s) // DAY_S).astype(np.int64)
    return name, float(trial.begin_s + DAY_S * int(np.bincount(days, short).argmax()))
