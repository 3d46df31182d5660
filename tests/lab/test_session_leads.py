"""Sessions that open lead demand: where they are told of, forecasts of agents miss by less."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.foretide import plant_spec
from lab.plant import LONG_CONTEXT, ConstantStartup, Plant, PlantParameters
from lab.plant.foretide import Foretide
from lab.traces import Arrival
from lab.traces.requests import flash
from lab.traces.sessions import sessions, unrolled
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads

HOURS = 12
STEP_S = 10
STEPS = HOURS * 3600 // STEP_S


@functools.cache
def agents(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Calls and sessions opened by step: a session in 10 s, and each hour a crowd of five times.

    A crowd rises within a minute and stays for ten.
    """
    chance = random.Random(seed)
    at_s, arrivals = 0.0, []
    while (at_s := at_s + chance.expovariate(0.1)) < HOURS * 3600:
        arrivals.append(Arrival(at_s=at_s, tokens_in=1, tokens_out=1))
    for hour in range(HOURS):
        begin_s = 3600.0 * hour + chance.uniform(0, 2400)
        crowd = flash(arrivals, at_s=begin_s, length_s=600.0, factor=5.0, seed=hour, rise_s=60.0)
        arrivals = sorted(crowd, key=lambda arrival: arrival.at_s)
    made = sessions(arrivals, seed=seed)
    calls = unrolled(made, LONG_CONTEXT.alone_s)
    return _binned([a.at_s for a in calls]), _binned([a.at_s for a in arrivals])


def _binned(times: list[float]) -> NDArray[np.int64]:
    steps = np.array(times).astype(np.int64) // STEP_S
    return np.bincount(steps[steps < STEPS], minlength=STEPS)


def missed(seed: int, horizon_s: int, *, told: bool) -> float:
    """Mean absolute error of the second half, calls a second."""
    calls, opened = agents(seed)
    forecaster, ahead, errors = Forecaster(), horizon_s // STEP_S, []
    rates = (calls / STEP_S).tolist()
    for step, rate in enumerate(rates):
        sessions_told = float(opened[step]) if told else None
        forecaster.close(step, rate, Leads(float(calls[step]), sessions_told), ahead)
        if forecaster.outlook is not None and STEPS // 2 <= step + ahead < STEPS:
            errors.append(abs(rates[step + ahead] - forecaster.outlook.centre))
    return float(np.mean(errors))


def test_what_the_plant_tells_of_sessions_reaches_the_forecaster() -> None:
    """By the path of live telemetry: fold, load, merge, window, meter."""
    parameters = PlantParameters(startup=ConstantStartup(5.0))
    arrivals = [Arrival(at_s=2.0 * n, tokens_in=1, tokens_out=1) for n in range(30)]
    plant = Plant((), parameters, seed=1, begin=1.7e9, sessions=sessions(arrivals, seed=1))
    foretide = Foretide(plant, plant_spec(parameters))
    for _ in range(75):
        foretide.second()
    window = foretide.planner.fleet.merge.window(foretide.planner.workload)
    assert window.total("sessions", foretide.now - 76, foretide.now) == 30
    foresight = foretide.scaler.foresight
    assert foresight.forecaster.state().opened != b""


@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.parametrize(("horizon_s", "at_most"), [(60, 0.95), (300, 0.98)])
def test_forecasts_of_agents_miss_by_less_where_sessions_are_told_of(
    seed: int, horizon_s: int, at_most: float
) -> None:
    ratio = missed(seed, horizon_s, told=True) / missed(seed, horizon_s, told=False)
    assert ratio < at_most
