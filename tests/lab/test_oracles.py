"""Clairvoyant against brute force; hpa-tuned's columns against the controller itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.fluid.oracles import clairvoyant, constant, static_peak
from lab.fluid.run import run_polled
from lab.fluid.schedule import Schedule
from lab.fluid.score import Score, score
from lab.fluid.trial import MOST, Observed, Trial
from lab.fluid.tuned import TARGETS, WINDOWS_S, Candidate, Frontier, frontier, run_all
from lab.policies import Hpa
from tests.lab.fluids import made, trial


def cheapest(need: list[int], startup: int) -> int:
    """The least replica-steps over all schedules of whole steps, for any choice of victims.

    A state is the ages of all replicas; each step any may die and any number may be born.
    """
    most = max(need)
    # Before the first step replicas of any number may stand ready.
    states = {tuple([startup] * count): 0 for count in range(most + 1)}
    for demand in need:
        after: dict[tuple[int, ...], int] = {}
        for ages, spent in states.items():
            for kept in range(len(ages) + 1):
                for alive in set(itertools.combinations(ages, kept)):
                    for born in range(most - kept + 1):
                        now = tuple(sorted((*alive, *[0] * born)))
                        if sum(age >= startup for age in now) < demand:
                            continue
                        older = tuple(min(age + 1, startup) for age in now)
                        cost = spent + len(now)
                        if cost < after.get(older, 10**9):
                            after[older] = cost
        states = after
    return min(states.values())


@settings(max_examples=40, deadline=None)
@given(need=st.lists(st.integers(0, 3), min_size=4, max_size=6), startup=st.integers(0, 3))
def test_no_schedule_without_violations_is_cheaper(need: list[int], startup: int) -> None:
    plant = trial([float(n) for n in need], startup_s=60.0 * startup)
    found = score(plant, clairvoyant(plant), begin_s=0.0)
    assert found.violation == 0.0
    assert found.cost == 60 * cheapest(need, startup)


def test_clairvoyant_looks_ahead_by_the_start_up_and_no_further() -> None:
    plant = trial([1, 1, 1, 3, 1, 1], startup_s=65)
    found = clairvoyant(plant)
    assert list(zip(found.at, found.replicas, strict=True)) == [(0, 1), (115, 3), (240, 1)]
    late = found.at + np.array([0.0, 1.0, 0.0])
    shifted = score(plant, Schedule(at=late, replicas=found.replicas))
    assert shifted.violation == pytest.approx(3 * (1 / 60) / 5)


@settings(max_examples=40, deadline=None)
@given(
    need=st.lists(st.integers(0, 9), min_size=6, max_size=20),
    startup_s=st.floats(0, 400, allow_nan=False),
)
def test_clairvoyant_is_tight(need: list[int], startup_s: float) -> None:
    """No violations for any start-up, and at no moment one replica fewer would do."""
    plant = trial([float(n) for n in need], startup_s=startup_s)
    found = clairvoyant(plant)
    assert score(plant, found, begin_s=0.0).violation == 0.0
    ends = [*found.at[1:], plant.end_s]
    for place, (begin, end) in enumerate(zip(found.at, ends, strict=True)):
        if found.replicas[place] == 0 or end - begin < 1e-3:
            continue
        fewer = found.replicas.copy()
        fewer[place] -= 1
        assert score(plant, Schedule(at=found.at, replicas=fewer), begin_s=0.0).violation > 0


def test_static_peak_is_the_fewest_within_the_budget() -> None:
    plant = trial([0] * 100 + [1] * 99 + [5], violations=0.05)
    # Peak: 5 of 104 requests, 4.8 %.
    assert static_peak(plant).replicas.tolist() == [1]
    assert static_peak(plant, 0.04).replicas.tolist() == [5]


def noisy(startup_s: float, seed: int = 3) -> Trial:
    rng = np.random.default_rng(seed)
    level = 800 + 500 * np.sin(np.arange(240) / 9)
    level[150:160] *= 4
    values = rng.poisson(level).astype(float)
    values[70:74] = np.nan
    return trial(made(values), capacity=1.0, startup_s=startup_s, least=1, most=MOST)


@pytest.mark.parametrize("startup_s", [0.0, 7.0, 60.0, 155.0])
@pytest.mark.parametrize("window_s", [0.0, 60.0, 300.0, 600.0])
def test_a_column_is_the_controller_answer_by_answer(startup_s: float, window_s: float) -> None:
    plant = noisy(startup_s)
    seen = Observed(plant)
    targets = np.array([0.2, 0.58, 0.7, 0.9])
    windows = np.array([window_s, 60.0, window_s, window_s])
    at, asked = run_all(plant, seen, targets, windows)
    for column, (target, window) in enumerate(zip(targets, windows, strict=True)):
        controller = Hpa(target=target, least=1, most=MOST, down_window_s=window)
        one = run_polled(plant, seen, controller)
        assert one.asked.value(at).tolist() == asked[:, column].tolist()
        assert len(one.asked.at) > 10


def test_the_frontier_has_every_candidate_and_its_best() -> None:
    plant = noisy(60.0)
    found = frontier(plant, Observed(plant))
    assert len(found.candidates) == len(TARGETS) * len(WINDOWS_S) == 144
    best = found.best(0.01)
    assert best is not None
    kept = [c for c in found.candidates if c.score.violation <= 0.01]
    assert best.score.cost == min(c.score.cost for c in kept)
    assert found.cost_at(best.score.violation) == best.score.cost
    points = found.points()
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in itertools.pairwise(points))
    middle = (points[0][0] + points[1][0]) / 2
    assert found.cost_at(middle) == pytest.approx((points[0][1] + points[1][1]) / 2)
    assert found.cost_at(1.0) == points[-1][1]


def candidate(violation: float, cost: float) -> Candidate:
    return Candidate(
        target=0.7,
        window_s=0.0,
        asked=constant(1),
        score=Score(
            violation=violation,
            worst_hour=violation,
            worst_tenant=None,
            unserved=0.0,
            cost=cost,
            actions_per_hour=0.0,
        ),
    )


def test_the_best_is_the_cheapest_within_the_budget_not_the_one_that_violates_least() -> None:
    # Of two as cheap the one with fewer violations; beyond the budget the cheapest does not count.
    points = [(0.0, 9.0), (0.01, 5.0), (0.008, 5.0), (0.004, 7.0), (0.0101, 1.0)]
    for order in itertools.permutations(points):
        found = Frontier(candidates=[candidate(*point) for point in order])
        best = found.best(0.01)
        assert best is not None
        assert (best.score.violation, best.score.cost) == (0.008, 5.0)
    strict = found.best(0.003)
    assert strict is not None
    assert strict.score.cost == 9.0
    assert Frontier(candidates=[candidate(0.02, 1.0)]).best(0.01) is None


def test_what_no_candidate_reaches_is_not_reached() -> None:
    # Start-up is longer than the burst, and the burst is most of the requests.
    plant = trial([1] * 10 + [1, 1, 1, 500, 1, 1, 500, 1, 1, 1], startup_s=300, least=1)
    found = frontier(plant, Observed(plant))
    assert found.best(0.01) is None
    assert found.cost_at(0.001) is None
    assert Frontier(candidates=[]).cost_at(0.5) is None
    assert score(plant, constant(500)).violation == 0.0
