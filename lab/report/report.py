"""Assembling the report from a run's results and its recorded decisions and forecasts.

Rule: figures are taken from the results, never computed a second way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from lab.compare import RunResult
from lab.plant import PlantParameters
from lab.report.charts import Band, Line, chart
from lab.summary import seconds, static_is, verdict

COLOURS = ("ours", "hpa", "static")
WINDOW_S = 60


def render(
    path: Path,
    *,
    runs: Sequence[RunResult],
    decisions: Sequence[Mapping[str, Any]],
    forecasts: Sequence[Mapping[str, Any]],
    outcomes: Mapping[str, str],
    begin: float,
    parameters: PlantParameters,
    trace: str,
) -> None:
    """Write the report to ``path``.  ``runs`` begin with Foretide's; ``begin`` is Unix seconds."""
    length = max((sample.at for run in runs for sample in run.series), default=1.0)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lab.report", "."), autoescape=True
    )
    page = environment.get_template("report.html").render(
        trace=trace,
        verdict=verdict(runs, parameters),
        static=static_is(runs, parameters),
        runs=[_row(run, parameters) for run in runs],
        charts=[
            _demand(runs[0], forecasts, begin, length),
            _replicas(runs, length),
            _latency(runs, parameters, length),
        ],
        decisions=[_decision(d, outcomes, begin) for d in decisions],
        assumptions=parameters.lines(),
    )
    path.write_text(page, encoding="utf-8")


def _row(run: RunResult, parameters: PlantParameters) -> dict[str, object]:
    return {
        "policy": run.policy,
        "served": run.served,
        "dropped": run.dropped,
        "p50": seconds(run.latency_p50_s),
        "p95": seconds(run.latency_p95_s),
        "violations": f"{run.violation_share:.2%}",
        "over": run.violation_share > parameters.violations,
        "hours": f"{run.replica_hours:.2f}",
        "peak": run.peak_replicas,
        "actions": run.actions,
    }


def _demand(
    ours: RunResult, forecasts: Sequence[Mapping[str, Any]], begin: float, length: float
) -> object:
    demand = [(sample.at, float(sample.in_system)) for sample in ours.series]
    # A forecast is drawn where it is due: at its time plus its horizon.
    due = [
        (f["at"] + f["horizon_s"] - begin, f["centre"], max(f["quantiles"].values()))
        for f in forecasts
    ]
    due = [point for point in due if 0 <= point[0] <= length]
    bands = []
    if due:
        bands.append(
            Band(
                name="forecast: median to upper quantile, where it is due",
                css="forecast",
                low=[(at, centre) for at, centre, _ in due],
                high=[(at, upper) for at, _, upper in due],
            )
        )
    return chart(
        "Demand",
        "requests in the system",
        length,
        lines=[Line(name="demand under Foretide", css="demand", points=demand)],
        bands=bands,
    )


def _replicas(runs: Sequence[RunResult], length: float) -> object:
    lines = []
    for run, css in zip(runs, COLOURS, strict=False):
        points = [(sample.at, float(sample.ready)) for sample in run.series]
        lines.append(Line(name=f"{run.policy}, ready", css=css, points=points, step=True))
    desired = [(sample.at, float(sample.desired)) for sample in runs[0].series]
    lines.insert(1, Line(name="Foretide, asked for", css="asked", points=desired, step=True))
    return chart("Replicas", "count", length, lines=lines)


def _latency(runs: Sequence[RunResult], parameters: PlantParameters, length: float) -> object:
    lines = []
    for run, css in zip(runs, COLOURS, strict=False):
        windows: dict[int, list[float]] = {}
        for at, latency in run.latencies:
            windows.setdefault(int(at // WINDOW_S), []).append(latency)
        points = [
            ((number + 0.5) * WINDOW_S, _p95(found)) for number, found in sorted(windows.items())
        ]
        lines.append(Line(name=run.policy, css=css, points=points))
    return chart(
        "Latency",
        f"p95 of each {WINDOW_S} s, seconds",
        length,
        lines=lines,
        limit=(f"SLO {parameters.slo_s:g} s", parameters.slo_s),
    )


def _p95(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[max(math.ceil(0.95 * len(ordered)), 1) - 1]


def _decision(
    decision: Mapping[str, Any], outcomes: Mapping[str, str], begin: float
) -> dict[str, object]:
    minutes, rest = divmod(max(decision["at"] - begin, 0.0), 60)
    inputs = decision["inputs"]
    return {
        "at": f"{int(minutes):02d}:{rest:04.1f}",
        "before": sum(decision["from"]["replicas"].values()),
        "after": sum(decision["to"]["replicas"].values()),
        "reason": decision["reason"],
        "demand": inputs["demand"],
        "ahead": inputs["forecast_quantile"],
        "trust": decision["model"]["trust"],
        "trail": decision["trail"],
        "alternatives": decision["alternatives"],
        "outcome": outcomes.get(decision["id"], "-"),
    }
