"""What sizing is made of: plants, what they missed, the choice among them, ramps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sizing.candidates import COUNT, SHAPE, WINDOWS_S, named, numbered
from models.sizing.choice import PRICES, SAFETY, budget_left, choose
from models.sizing.ledger import Ledger
from models.sizing.plants import Plants
from models.sizing.ramp import Ramp, ahead_s

STEP_S = 10


def wishes(value: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.full(SHAPE[1], value, np.float32)


def test_candidates_have_numbers_and_names() -> None:
    names = [named(number) for number in range(COUNT)]
    assert len(set(names)) == COUNT
    assert names[numbered(1, 4)] == (2.0, 300)


def test_a_plant_is_ready_a_start_up_after_it_asked() -> None:
    plants = Plants(STEP_S, 2)
    plants.ask(wishes(5), 0.0)
    seen = []
    for _ in range(5):
        seen.append(float(plants.ready(3)[0, 0]))
        plants.ask(wishes(5), 0.0)
    # Asked for after the first step: of a start-up of three steps, at the fourth 5 are ready.
    assert seen == [2, 2, 2, 5, 5]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=30, max_size=120), st.integers(1, 40))
def test_ready_is_never_more_than_the_least_of_a_start_up(asked: list[int], steps: int) -> None:
    """Buckets may forget late, never early: against the plain minimum of the last steps."""
    plants = Plants(STEP_S, asked[0])
    plants.ready(steps)
    history = [float(asked[0])] * (steps + 1)
    for value in asked:
        plants.ask(wishes(value), 0.0)
        history.append(float(plants.asked[0, 0]))
        assert plants.ready(steps)[0, 0] <= min(history[-steps - 1 :])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=30, max_size=200))
def test_a_plant_holds_the_highest_wish_of_its_window(wished: list[int]) -> None:
    plants = Plants(STEP_S, 1)
    for place, value in enumerate(wished):
        plants.ask(wishes(value), 0.0)
        for row, window_s in enumerate(WINDOWS_S):
            held = float(plants.asked[row, 0])
            steps = int(window_s) // STEP_S
            longest = steps + steps // 6 + 1  # One bucket more, at most.
            assert held >= max(wished[max(place - steps, 0) : place + 1])
            begun = max(place - longest, 0)
            assert held <= max([*wished[begun : place + 1], 1])


def test_tolerance_keeps_what_is_little_too_much() -> None:
    plants = Plants(STEP_S, 20)
    for _ in range(400):
        plants.ask(wishes(19), 0.05)
    assert plants.asked.max() == 20
    for _ in range(400):
        plants.ask(wishes(18), 0.05)
    assert plants.asked.max() == 18


def bare() -> Ledger:
    """Nothing is believed of it."""
    ledger = Ledger(STEP_S)
    ledger._believed = 0.0
    return ledger


def fed(ledger: Ledger, demand: float, ready: float, asked: float, steps: int) -> None:
    one = np.ones(SHAPE, np.float32)
    for _ in range(steps):
        ledger.add(demand, one * ready, one * asked, 1.0)


def test_what_a_candidate_missed_is_a_share_of_demand() -> None:
    ledger = bare()
    fed(ledger, 10.0, 10.0, 12.0, 99)
    fed(ledger, 10.0, 8.0, 12.0, 1)
    # 10 of 1000 were in violation, and the 2 that exceeded count twice more each.
    assert ledger.missed() == pytest.approx(np.full(SHAPE, 14 / 1000), rel=0.01)
    assert ledger.cost() == pytest.approx(np.full(SHAPE, 1.2))


def test_the_past_is_forgotten_by_time() -> None:
    ledger = bare()
    fed(ledger, 1.0, 0.0, 0.0, 1)
    fed(ledger, 1.0, 1.0, 1.0, 17_280 * 2)
    assert float(ledger.missed().max()) < 1e-4


def table(*rows: tuple[float, float]) -> tuple[Any, Any, Any]:
    """(missed, cost, actions): the first candidates as given, all others dear."""
    missed, cost = np.zeros(SHAPE), np.full(SHAPE, 100.0)
    for place, (share, price) in enumerate(rows):
        missed[0, place], cost[0, place] = share, price
    return missed, cost, np.zeros(SHAPE, np.float32)


def test_the_cheapest_that_kept_the_budget_is_followed() -> None:
    missed, cost, actions = table((0.05, 1.0), (0.007, 1.1), (0.001, 1.4))
    found, standing = choose(missed, cost, actions, 0, 0.01, 0.0075)
    assert found == 1
    assert standing.kept
    assert standing.violations == 0.007


def test_a_budget_that_cannot_be_kept_is_not_paid_for_without_end() -> None:
    """30 % more for a twentieth of the budget's worth is too dear; the middle one is not."""
    missed, cost, actions = table((0.05, 1.0), (0.0300, 1.1), (0.0295, 1.43))
    found, standing = choose(missed, cost, actions, 0, 0.01, 0.0075)
    assert found == 1
    assert not standing.kept
    assert standing.price == PRICES[-1]


def test_a_candidate_that_acts_all_the_time_is_avoided() -> None:
    missed, cost, actions = table((0.0, 1.0), (0.0, 1.05))
    actions[0, 0] = 60.0
    assert choose(missed, cost, actions, 0, 0.01, 0.0075)[0] == 1


def test_a_gain_that_is_noise_changes_nothing() -> None:
    missed, cost, actions = table((0.0, 1.0), (0.0, 0.999))
    assert choose(missed, cost, actions, 0, 0.01, 0.0075)[0] == 0


@pytest.mark.parametrize(
    ("spent", "share"), [(0.0, SAFETY), (0.009, SAFETY), (0.012, SAFETY - 0.2), (0.5, 0.3)]
)
def test_real_violations_lower_what_is_planned_with(spent: float, share: float) -> None:
    assert budget_left(0.01, spent) == pytest.approx(0.01 * share)


def test_a_ramp_is_projected_and_a_step_up_is_not() -> None:
    ramp, step = Ramp(STEP_S), Ramp(STEP_S)
    for _ in range(200):
        ramp.add(100.0, 300.0)
        step.add(100.0, 300.0)
    risen = 100.0
    for _ in range(16):
        risen += 10.0
        ramp.add(risen, 300.0)
        step.add(160.0, 300.0)
        assert step.projected == 0.0
    # 60 a minute more, for five minutes; the mean of the newest 30 s lags by 10.
    assert ramp.projected == pytest.approx(risen - 10.0 + 300.0, rel=0.02)


@pytest.mark.parametrize(("horizon_s", "ahead"), [(75.0, 135.0), (165.0, 225.0), (440.0, 300.0)])
def test_a_ramp_is_looked_along_a_rise_further_than_the_horizon(
    horizon_s: float, ahead: float
) -> None:
    assert ahead_s(horizon_s) == ahead
    ramp, risen = Ramp(STEP_S), 100.0
    for _ in range(200):
        ramp.add(risen, horizon_s)
    for _ in range(16):
        risen += 10.0
        ramp.add(risen, horizon_s)
    # One a second more; the mean of the newest 30 s lags by 10.
    assert ramp.projected == pytest.approx(risen - 10.0 + ahead)


def test_a_ramp_on_noise_is_rare() -> None:
    rng = np.random.default_rng(5)
    ramp, fired = Ramp(STEP_S), 0
    for value in rng.poisson(1000, 20_000) / 10.0:
        ramp.add(float(value), 300.0)
        fired += ramp.projected > 0
    assert fired <= 2


@pytest.mark.parametrize("first", [0.0, 20_000.0])
def test_one_odd_first_step_is_not_the_size_of_what_is_believed(first: float) -> None:
    """The first step was none, or four hundred times as much as those that follow."""
    odd, even = Ledger(STEP_S), Ledger(STEP_S)
    fed(odd, first, 2 * first + 1.0, 2 * first + 1.0, 1)
    for ledger in (odd, even):
        fed(ledger, 50.0, 50.0, 60.0, 5000)
    assert odd.missed()[1, 4] == pytest.approx(even.missed()[1, 4], rel=0.1)


def test_a_gap_is_no_ramp() -> None:
    """Two rises of a minute make one; not where nobody knows what was between them."""
    told, silent = Ramp(STEP_S), Ramp(STEP_S)
    for ramp in (told, silent):
        for _ in range(60):
            ramp.add(100.0, 300.0)
    rise = [100.0 + 10.0 * place for place in range(1, 16)]
    for place, value in enumerate(rise):
        told.add(value, 300.0)
        silent.add(value, 300.0, gap=place == 9)
    assert told.projected > rise[-1]
    assert silent.projected == 0.0


def test_a_start_up_that_wavers_does_not_make_plants_forget() -> None:
    """At 8 and 9 steps buckets are of one and of two steps."""
    plants = Plants(STEP_S, 1)
    for step in range(200):
        plants.ask(wishes(10.0), 0.0)
        ready = plants.ready(8 + step % 2)
    assert ready.min() == 10.0


def test_a_mean_that_is_too_much_is_so_for_all_of_its_steps() -> None:
    """One minute in ten is over; the mean that slides over it is highest for one step alone."""
    ledger = Ledger(STEP_S)
    for _ in range(2000):
        for demand in [50.0] * 59 + [61.0]:
            one = np.ones(SHAPE, np.float32)
            ledger.add(demand, one * 60, one * 60, 1.0, 6)
    # Six steps of sixty, and twice the excess.
    expected = 6 * (61.0 + 2.0 * 1.0) / (59 * 50.0 + 61.0)
    assert ledger.missed()[0, -1] == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("startup_steps", [3, 20, 33, 41, 80])
def test_who_was_slow_once_is_not_taken_to_be_slow_for_good(startup_steps: int) -> None:
    """Ready a bucket after a start-up at the latest, whatever it was before."""
    plants = Plants(STEP_S, 1)
    for _ in range(200):
        plants.ask(wishes(1.0), 0.0)
        plants.ready(100)
    for _ in range(200):
        plants.ask(wishes(1.0), 0.0)
        plants.ready(startup_steps)
    late = 0
    while plants.ready(startup_steps).min() < 10.0:
        plants.ask(wishes(10.0), 0.0)
        late += 1
    assert startup_steps < late <= startup_steps * 1.1 + 1 + math.ceil(1.1 * startup_steps / 8)
