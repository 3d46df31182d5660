"""Steps that nobody measured: to Foretide they are unknown, in the laboratory as they are live."""

from __future__ import annotations

import numpy as np
import pytest

from lab.fluid.backtest import backtest
from lab.fluid.trial import Trial, default_capacity
from lab.traces import Series
from lab.traces.arrival import TraceError


@pytest.mark.parametrize("gap", [1, 20])
def test_after_a_gap_in_a_series_the_forecast_is_what_it_was(gap: int) -> None:
    values = np.full(240, 6000.0)
    values[180 : 180 + gap] = np.nan
    series = Series(name="constant", step_s=60, values=values)
    trial = Trial(
        series=series,
        capacity=default_capacity(series),
        startup_s=60.0,
        violations=0.01,
        seed=1,
    )
    ((_, run),) = backtest(trial, ("foretide",)).runs
    assert run is not None
    centres = [due[1] for due in run.forecasts if due[0] > 170 * 60]
    assert len(centres) > 100
    assert min(centres) > 80.0
    assert max(centres) < 120.0


def test_what_is_no_demand_of_a_service_is_refused() -> None:
    values = np.full(60, 100.0)
    values[7] = np.nan
    Series(name="fine", step_s=60, values=values)
    values[30] = 1e12
    with pytest.raises(TraceError, match=r"1e\+12 in 60 s is more than 1e\+09 a second"):
        Series(name="odd", step_s=60, values=values)
