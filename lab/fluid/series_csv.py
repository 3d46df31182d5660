"""The runs of a backtest as CSV: a line per policy and step.

Rule: replicas as they stood at the begin of each step, so that what a policy did within one is
not in it; demand and forecast are of the whole step, in the series' own unit.
"""

from __future__ import annotations

import csv
import math
from typing import IO

import numpy as np
from numpy.typing import NDArray

from lab.fluid.backtest import Backtest
from lab.fluid.run import Run
from lab.fluid.schedule import ready
from lab.fluid.trial import Trial

FIELDS = ("policy", "at", "demand", "forecast", "ready", "starting", "desired")


def write(found: Backtest, out: IO[str]) -> None:
    """Write all runs that there are.

    ``at`` is when the step begins, seconds since the begin; ``forecast`` the mean of the central
    forecasts that were due in the step, made a horizon before (empty: none, or the policy makes
    none); ``demand`` is empty where nobody measured it.
    """
    trial = found.trial
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(FIELDS)
    steps = len(trial.series.values)
    at = np.arange(steps, dtype=np.float64) * trial.series.step_s
    for name, run in found.runs:
        if run is None:
            continue
        desired = run.asked.value(at)
        standing = ready(run.asked, trial.startup_s).value(at)
        columns = zip(
            at.tolist(),
            trial.series.values.tolist(),
            _forecasts(trial, run).tolist(),
            standing.tolist(),
            (desired - standing).tolist(),
            desired.tolist(),
            strict=True,
        )
        rows.writerows(
            (name, f"{moment:g}", _text(demand), _text(forecast), *counts)
            for moment, demand, forecast, *counts in columns
        )


def _forecasts(trial: Trial, run: Run) -> NDArray[np.float64]:
    steps, step_s = len(trial.series.values), trial.series.step_s
    if not run.forecasts:
        return np.full(steps, math.nan)
    due, values, _ = np.array(run.forecasts).T
    place = (due // step_s).astype(np.int64)
    kept = (place >= 0) & (place < steps)
    counts = np.bincount(place[kept], minlength=steps)
    sums = np.bincount(place[kept], values[kept], minlength=steps)
    means: NDArray[np.float64] = np.where(
        counts > 0, sums * step_s / np.maximum(counts, 1), math.nan
    )
    return means


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
