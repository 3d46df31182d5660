"""Evaluation of the live forecaster on a series: one pass, the second half scored.

Rule: at a step it is told that step and nothing later; a step that nobody measured is a gap, told
to nobody and scored by nobody.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lab.forecast.baseline import RollingResidual
from lab.forecast.row import Floats, Row, row
from lab.traces import Series
from models.forecasting.experts import NAMES
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads

DEFAULT_HORIZONS = (60, 300, 900)
"""Seconds: one, five and fifteen minutes."""

MIXTURE = "mixture"
LAST = "last-value"

Progress = Callable[[int, float], None]
"""Told the horizon in seconds, and the share of its steps that are done."""

_TOLD_EVERY = 256


def evaluate(
    series: Series, horizons: Sequence[int], progress: Progress = lambda *_: None
) -> list[Row]:
    """Rows by horizon and model: the mixture first, then the last value, then each expert.

    ``horizons`` in seconds; one is rounded to whole steps (``ahead``), and one shorter than a step
    of the series, or as long as all of it, gives rows without numbers.  An expert that slept is
    scored, and the last value that it is compared with, over the steps of which it said something;
    one that slept throughout the scored half has no row.
    """
    rows: list[Row] = []
    for horizon_s in horizons:
        if horizon_s < series.step_s:
            rows.extend(Row(model=name, horizon_s=horizon_s) for name in (MIXTURE, LAST))
            continue
        rows.extend(_Pass(series, horizon_s).rows(progress))
    return rows


def ahead(horizon_s: int, step_s: int) -> int:
    """Steps that a horizon is scored as: the nearest whole number, a half up, at least 1."""
    return max(math.floor(horizon_s / step_s + 0.5), 1)


class _Pass:
    """One horizon: what was said of each step, by the step that it was said of."""

    def __init__(self, series: Series, horizon_s: int) -> None:
        self.series = series
        self.horizon_s = horizon_s
        self.ahead = ahead(horizon_s, series.step_s)
        count = len(series.values)
        self.said: dict[str, Floats] = {}
        self.quantiles = {
            name: (np.full(count, math.nan), np.full(count, math.nan)) for name in (MIXTURE, LAST)
        }

    def rows(self, progress: Progress) -> list[Row]:
        took = self._run(progress)
        values, half = self.series.values, self.series.half
        if MIXTURE not in self.said:  # No step of the trace is so far ahead of another.
            return [Row(model=name, horizon_s=self.horizon_s) for name in (MIXTURE, LAST)]
        scored = np.flatnonzero(~np.isnan(values) & ~np.isnan(self.said[MIXTURE]))
        scored = scored[scored >= half]
        spoke = {name: scored[~np.isnan(centre[scored])] for name, centre in self.said.items()}
        names = [name for name in (MIXTURE, *NAMES) if name in spoke]
        return [
            row(
                name,
                self.horizon_s,
                actual=values[spoke[name]],
                centre=self.said[name][spoke[name]],
                last=self.said[LAST][spoke[name]],
                steps=spoke[name],
                step_s=self.series.step_s,
                quantiles=_at(self.quantiles.get(name), spoke[name]),
                us_per_update=took if name == MIXTURE else None,
            )
            for name in names
            if len(spoke[name]) or not len(scored)
        ]

    def _run(self, progress: Progress) -> float:
        """Walk the series; the median time of an update, µs."""
        forecaster = Forecaster(self.series.step_s)
        rolling = RollingResidual(self.series.step_s)
        values = self.series.values.tolist()
        names = list(self.series.tenants)
        parts = [*zip(*(part.tolist() for part in self.series.tenants.values()), strict=True)]
        ahead, count = self.ahead, len(values)
        took = []
        for step, value in enumerate(values):
            if step % _TOLD_EVERY == 0:
                progress(self.horizon_s, step / count)
            if math.isnan(value):
                continue
            tenants = dict(zip(names, parts[step], strict=True)) if names else None
            begin = time.perf_counter_ns()
            forecaster.close(step, value, Leads(), ahead, tenants)
            q95 = forecaster.quantile(0.95)
            took.append(time.perf_counter_ns() - begin)
            if step >= ahead and not math.isnan(values[step - ahead]):
                rolling.add(value - values[step - ahead])
            outlook, of = forecaster.outlook, step + ahead
            if of >= count or outlook is None or q95 is None:
                continue
            self._say(MIXTURE, of, outlook.centre)
            for name, expert in forecaster.experts().items():
                self._say(name, of, expert)
            q99 = forecaster.quantile(0.99)
            self.quantiles[MIXTURE][0][of] = q95
            self.quantiles[MIXTURE][1][of] = math.nan if q99 is None else q99
            for place, level in enumerate((0.95, 0.99)):
                self.quantiles[LAST][place][of] = value + rolling.quantile(level)
        progress(self.horizon_s, 1.0)
        return float(np.median(took)) / 1e3 if took else math.nan

    def _say(self, name: str, of: int, value: float) -> None:
        if name not in self.said:
            self.said[name] = np.full(len(self.series.values), math.nan)
        self.said[name][of] = value


def _at(
    quantiles: tuple[Floats, Floats] | None, scored: NDArray[np.int64]
) -> tuple[Floats, Floats] | None:
    return None if quantiles is None else (quantiles[0][scored], quantiles[1][scored])
