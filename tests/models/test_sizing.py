"""Sizing: candidates scored on what happened; the walk of each test is in steps of 10 s."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sizing import Sizing, SizingState, Stride
from models.sizing.candidates import MARGINS, numbered

STEP_S = 10


def stride(demand: float, **more: Any) -> Stride:
    return Stride(
        **{
            "step": 0,
            "demand": demand,
            "requests": 0.0,
            "patience_steps": 1,
            "centre": demand,
            "scale": 1.0,
            "horizon_s": 40.0,
            "startup_steps": 3,
            "capacity": 1.0,
            "least": 1,
            "most": 1000,
            "tolerance": 0.0,
            "budget": 0.01,
            "desired": None,
            "ready": None,
            "slow": None,
            "open": True,
            **more,
        }
    )


def walked(values: Iterable[float], **more: Any) -> Sizing:
    sizing = Sizing(STEP_S)
    for step, value in enumerate(values):
        sizing.close(stride(float(value), **more, step=step))
    return sizing


def noisy(steps: int, sigma: float, seed: int = 3) -> list[float]:
    rng = np.random.default_rng(seed)
    return [max(float(value), 0.0) for value in rng.normal(50.0, sigma, steps)]


def test_calm_demand_is_sized_closer_than_wild_demand() -> None:
    """The scale that the forecaster tells is the same; what happened is not."""
    calm = walked(noisy(4000, 0.5), centre=50.0)
    wild = walked(noisy(4000, 3.0), centre=50.0)
    assert (calm.margin, calm.window_s) < (wild.margin, wild.window_s)
    assert calm.standing is not None
    assert wild.standing is not None
    assert calm.standing.cost < wild.standing.cost - 0.05


def test_a_smaller_budget_takes_a_wider_margin() -> None:
    wide = walked(noisy(4000, 2.0), centre=50.0, budget=0.05)
    narrow = walked(noisy(4000, 2.0), centre=50.0, budget=0.001)
    assert wide.margin < narrow.margin


def test_the_followed_candidate_keeps_the_budget_on_what_comes() -> None:
    """Open traffic of one kind: chosen on the first half, counted on the second."""
    sizing, missed, total = Sizing(STEP_S), 0.0, 0.0
    values = noisy(16_000, 2.0, 7)
    wished: list[float] = []
    asked: list[float] = []
    for place, value in enumerate(values):
        if place > len(values) // 2:
            ready = min(asked[-4:])
            missed += value * (value > ready)
            total += value
        sizing.close(stride(value, centre=50.0, step=place))
        wished.append(math.ceil(max(sizing.now, 50.0 + sizing.margin)))
        asked.append(max(wished[-sizing.window_s // STEP_S :]))
    assert 0.0005 < missed / total <= 0.01


def test_of_an_overload_of_closed_traffic_the_first_step_counts_and_the_queue_does_not() -> None:
    """In-flight requests pile up behind 60 replicas; with more there would have been no queue."""
    flow = [50.0] * 200 + [500.0] * 200
    told = {"desired": 60, "ready": 60, "centre": 50.0}
    opened, closed = Sizing(STEP_S), Sizing(STEP_S)
    for step, value in enumerate(flow):
        opened.close(stride(value, **told, step=step, open=True))
        closed.close(stride(value, **told, step=step, open=False))
    assert opened._ledger is not None
    assert closed._ledger is not None
    large = numbered(0, len(MARGINS) - 1)
    once = Sizing(STEP_S)
    for step, value in enumerate(flow[:201]):
        once.close(stride(value, **told, step=step, open=True))
    assert once._ledger is not None
    np.testing.assert_array_equal(closed._ledger.missed(), once._ledger.missed())
    assert once._ledger.missed().flat[large] > 0
    closed.close(stride(50.0, **told, step=len(flow), open=False))
    assert closed._ledger._demand > once._ledger._demand  # What comes after the queue counts again.


def test_regret_is_what_was_paid_over_the_cheapest_that_kept_the_budget() -> None:
    exact = walked([50.0] * 10_000, desired=50, ready=50, scale=1.0)
    twice = walked([50.0] * 10_000, desired=100, ready=100, scale=1.0)
    assert exact.regret == pytest.approx(0.0, abs=0.05)
    assert twice.regret is not None
    assert twice.regret > 0.8
    assert Sizing(STEP_S).regret is None


def test_regret_is_over_the_budget_of_the_spec_and_not_what_is_planned_with() -> None:
    """One candidate is between the two: 0.9 % missed, 1 % allowed, 0.75 % planned with."""
    sizing = walked([50.0] * 400, desired=60, ready=60, budget=0.01)
    ledger, standing, paid = sizing._ledger, sizing.standing, sizing._real.cost
    assert ledger is not None
    assert standing is not None
    assert paid is not None
    assert standing.budget == pytest.approx(0.0075)
    ledger._believed = 0.0
    ledger._missed[:], ledger._cost[:] = ledger._demand, 9.0 * ledger._demand
    ledger._missed[0, :2] = 0.009 * ledger._demand, 0.005 * ledger._demand
    ledger._cost[0, :2] = 1.1 * ledger._demand, 1.5 * ledger._demand
    assert sizing.regret == pytest.approx(paid / 1.1 - 1.0)


def test_what_was_missed_before_there_was_a_day_is_little_of_a_day() -> None:
    """Two hours in which 5 % were missed are 0.42 % of a day, and no reason to plan with less."""
    young = walked([50.0] * 720, desired=100, ready=100, slow=(5, 100), budget=0.01)
    old = walked([50.0] * 4320, desired=100, ready=100, slow=(5, 100), budget=0.01)
    assert young.violated == old.violated == pytest.approx(0.05)
    assert young.standing is not None
    assert old.standing is not None
    assert young.standing.budget == pytest.approx(0.0075)
    assert old.standing.budget == pytest.approx(0.003)


def test_violations_are_those_that_were_measured_where_they_were() -> None:
    slow = walked([50.0] * 400, desired=100, ready=100, slow=(3, 100))
    assert slow.violated == pytest.approx(0.03)
    assert walked([1.0] * 9 + [99.0], desired=1, ready=1, slow=(1, 10)).violated == pytest.approx(
        0.1
    )
    counted = walked([50.0] * 400, desired=40, ready=40)
    assert counted.violated == pytest.approx(1.0)
    assert walked([50.0] * 400).violated is None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 400), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_a_restored_sizing_goes_on_as_the_one_it_was_taken_of(
    before: int, startup_steps: int, seed: int
) -> None:
    values = noisy(before + 200, 5.0, seed)
    more = {"startup_steps": startup_steps, "desired": 60, "ready": 55, "requests": 200.0}
    kept = walked(values[:before], **more)
    packed = msgspec.msgpack.encode(kept.state())
    other = Sizing.restored(STEP_S, msgspec.msgpack.decode(packed, type=SizingState))
    for step, value in enumerate(values[before:], before):
        kept.close(stride(value, **more, step=step))
        other.close(stride(value, **more, step=step))
    assert msgspec.msgpack.encode(kept.state()) == msgspec.msgpack.encode(other.state())


@pytest.mark.parametrize("value", [0.0, 1e-12, 1e12])
def test_nothing_breaks_on_extremes(value: float) -> None:
    sizing = walked([value] * 100 + [0.0] * 100 + [1.0] * 100, desired=1, ready=1, scale=value)
    info = sizing.info()
    for found in (info.violations, info.cost, info.violated):
        assert found is None or math.isfinite(found)


def test_memory_does_not_grow_with_time_or_start_up() -> None:
    short = len(msgspec.msgpack.encode(walked(noisy(500, 3.0)).state()))
    long = len(msgspec.msgpack.encode(walked(noisy(5000, 3.0), startup_steps=90).state()))
    assert long < short * 1.05
    assert long < 5000


@pytest.mark.parametrize("startup_steps", [0, 1, 8, 9, 400])
def test_any_start_up_can_be_scored(startup_steps: int) -> None:
    sizing = walked(noisy(200, 3.0), startup_steps=startup_steps)
    assert sizing.margin >= 0


def bursty(window_s: int | None) -> Sizing:
    """A burst of one step in twelve: whoever gives back at once misses each."""
    return walked(
        [100.0 if place % 12 == 0 else 50.0 for place in range(3000)],
        centre=50.0,
        scale=5.0,
        window_s=window_s,
    )


def test_a_window_that_the_user_set_is_the_one_that_is_scored() -> None:
    free, at_once = bursty(None), bursty(0)
    assert free.window_s > 60
    assert at_once.margin > free.margin
    assert bursty(300).window_s == 300


def test_what_others_do_is_neither_our_violation_nor_our_regret() -> None:
    shadow = walked([50.0] * 400, desired=1, ready=1, slow=(20, 100), acting=False)
    assert shadow.violated is None
    assert shadow.regret is None


def test_counting_noise_that_patience_averages_away_is_not_bought_for() -> None:
    """36 requests a step say a rate to 17 %; a minute of them to 7 %."""
    one = walked([50.0] * 40, requests=36.0, patience_steps=1)
    six = walked([50.0] * 40, requests=36.0, patience_steps=6)
    many = walked([50.0] * 40, requests=10_000.0, patience_steps=6)
    noise = 50.0 / math.sqrt(36.0)
    assert one.scale(50.0, noise, 1) == noise
    assert many.scale(50.0, noise, 6) == noise
    # Where twice as much is foreseen, of as much a request, its noise is the root of two as much.
    foreseen = noise * math.sqrt(2.0) * math.sqrt(2 / math.pi)
    assert six.scale(100.0, foreseen, 6) == pytest.approx(foreseen / math.sqrt(6))
    # The mean absolute deviation of a normal is sqrt(2 / pi) of its standard deviation.
    assert six.scale(50.0, noise * math.sqrt(2 / math.pi), 6) == pytest.approx(
        noise * math.sqrt(2 / math.pi / 6)
    )
    assert six.scale(50.0, 20.0, 6) > 18.0  # That is no counting noise.


def test_what_was_missed_before_forecasts_were_warm_is_nothing_to_learn_from() -> None:
    cold = walked([50.0] * 100, desired=10, ready=10, scale=0.0)
    assert cold.violated is None


def test_two_days_without_a_request_are_lived_through() -> None:
    """Means decay until a machine has no smaller number."""
    silent = walked([50.0] * 100 + [0.0] * 17_280, requests=0.0, patience_steps=6)
    sizing = Sizing(STEP_S)
    for step in range(17_380):
        demand = 50.0 if step < 100 else 0.0
        sizing.close(stride(demand, step=step, requests=demand, patience_steps=6))
    for each in (silent, sizing):
        assert each.scale(0.0, 1.0, 6) == 1.0
        assert each.now == 0.0


def test_after_a_gap_nothing_is_known_of_a_ramp() -> None:
    told, silent = Sizing(STEP_S), Sizing(STEP_S)
    for sizing in (told, silent):
        for step in range(60):
            sizing.close(stride(100.0, step=step, horizon_s=300.0))
    for place in range(15):
        demand = 110.0 + 10.0 * place
        told.close(stride(demand, step=60 + place, horizon_s=300.0))
        silent.close(stride(demand, step=60 + place + (place > 8), horizon_s=300.0))
    assert told.projected > 250.0
    assert silent.projected == 0.0
