"""One row of an evaluation: a model at a horizon, and the sums it is made of.

Rule: what cannot be said is null, with no number in its place: a horizon shorter than the trace's
step, a day that is not whole, a model without quantiles.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S = 86_400

ENOUGH_SCORED = 1_000
"""Scored steps below which a day's coverage is not claimed."""

WHOLE_DAY = 0.9
"""Share of a day's steps that must be scored for it to count as whole (gaps are not scored)."""


class Row(Struct, frozen=True, kw_only=True):
    """How one model did at one horizon, over the scored half.

    ``rel_mae`` is the mean absolute error over that of the last value at the same horizon;
    ``coverage`` the share of steps at or below the 0.95 quantile, ``coverage_day_min`` and
    ``_max`` that of the worst whole days; ``pinball_95`` and ``_99`` the mean pinball losses of
    those quantiles and ``width`` the mean of the 0.95 quantile above the centre, all three over
    the mean demand; ``us_per_update`` the median time of one update with its quantile, µs.
    """

    model: str
    horizon_s: int
    rel_mae: float | None = None
    coverage: float | None = None
    coverage_day_min: float | None = None
    coverage_day_max: float | None = None
    pinball_95: float | None = None
    pinball_99: float | None = None
    width: float | None = None
    us_per_update: float | None = None
    scored: int = 0


def pinball(actual: Floats, quantile: Floats, level: float) -> float:
    """Mean pinball loss (Koenker and Bassett, 1978) of ``quantile`` at ``level``; both (n,).

    Actual 10 against a 0.95 quantile of 12: 0.05 x 2 = 0.1; against 8: 0.95 x 2 = 1.9.
    """
    over = actual - quantile
    return float(np.mean(np.maximum(level * over, (level - 1.0) * over)))


def daily(covered: NDArray[np.bool_], steps: NDArray[np.int64], step_s: int) -> Floats:
    """Coverage of each whole day; ``covered`` and the ``steps`` they are of are (n,), scored ones.

    Days are counted from the trace's begin.  Empty: there is none, or too little was scored.
    """
    if len(covered) < ENOUGH_SCORED:
        return np.empty(0)
    days = steps * step_s // DAY_S
    shares = [
        float(covered[days == day].mean())
        for day in np.unique(days)
        if np.count_nonzero(days == day) >= WHOLE_DAY * DAY_S / step_s
    ]
    return np.array(shares)


def row(
    model: str,
    horizon_s: int,
    *,
    actual: Floats,
    centre: Floats,
    last: Floats,
    steps: NDArray[np.int64],
    step_s: int,
    quantiles: tuple[Floats, Floats] | None = None,
    us_per_update: float | None = None,
) -> Row:
    """The row of a model's forecasts (n,) of ``actual`` (n,), at ``steps`` (n,).

    ``last`` are the last values; ``quantiles`` those at 0.95 and 0.99.
    """
    if not len(actual):
        return Row(model=model, horizon_s=horizon_s)
    base = float(np.abs(actual - last).mean())
    error = float(np.abs(actual - centre).mean())
    mean = float(actual.mean())
    told = Row(
        model=model,
        horizon_s=horizon_s,
        # A trace that never moves: whoever says its value is as good as the last value.
        rel_mae=_finite(error / base if base > 0 else 1.0 if error == 0 else math.inf),
        us_per_update=us_per_update,
        scored=len(actual),
    )
    if quantiles is None:
        return told
    q95, q99 = quantiles
    covered = actual <= q95
    days = daily(covered, steps, step_s)
    unit = mean if mean > 0 else 1.0
    return Row(
        model=model,
        horizon_s=horizon_s,
        rel_mae=told.rel_mae,
        coverage=float(covered.mean()),
        coverage_day_min=float(days.min()) if len(days) else None,
        coverage_day_max=float(days.max()) if len(days) else None,
        pinball_95=pinball(actual, q95, 0.95) / unit,
        pinball_99=pinball(actual, q99, 0.99) / unit,
        width=float((q95 - centre).mean()) / unit,
        us_per_update=us_per_update,
        scored=len(actual),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
