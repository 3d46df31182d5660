"""The fluid plant: schedules, scores and what a policy is shown, by numbers worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.fluid.run import run_polled
from lab.fluid.schedule import Schedule, Standing, ready, schedule
from lab.fluid.score import score
from lab.fluid.trial import MOST, Observed, allowed, default_capacity
from lab.policies import View
from lab.traces import TraceError
from tests.lab.fluids import asked, made, trial


def pairs(found: Schedule) -> list[tuple[float, int]]:
    return [(float(at), int(n)) for at, n in zip(found.at, found.replicas, strict=True)]


def test_a_replica_serves_once_it_has_stood_for_its_start_up() -> None:
    found = ready(asked((0, 2), (100, 5)), 65.5)
    assert pairs(found) == [(0.0, 2), (165.5, 5)]


def test_scale_in_takes_those_that_start_first_and_at_once() -> None:
    # 3 more at 10; 2 of these are given up at 40, before they serve; then 2 ready ones at 100.
    found = ready(asked((0, 4), (10, 7), (40, 5), (100, 3)), 60)
    assert pairs(found) == [(0.0, 4), (70.0, 5), (100.0, 3)]


def test_a_replica_that_was_given_up_and_asked_for_again_starts_anew() -> None:
    found = ready(asked((0, 5), (20, 3), (30, 5)), 60)
    assert pairs(found) == [(0.0, 5), (20.0, 3), (90.0, 5)]


def test_start_up_of_no_time() -> None:
    assert pairs(ready(asked((0, 1), (7, 4), (9, 2)), 0.0)) == [(0.0, 1), (7.0, 4), (9.0, 2)]


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    gaps=st.lists(st.sampled_from([1.0, 2.5, 7.3, 15.0, 40.1]), min_size=12, max_size=12),
    startup_s=st.sampled_from([0.0, 0.7, 7.3, 15.0, 37.3]),
)
@example(counts=[0, 1, 1, 1, 0], gaps=[134.5, 7.3, 15.0, 15.0] * 3, startup_s=37.3)
def test_standing_and_ready_are_a_stack_of_replicas(
    counts: list[int], gaps: list[float], startup_s: float
) -> None:
    # Rounded: times closer than EPSILON_S are the same, so no two of them may be so close.
    at = [round(t, 3) for t in itertools.accumulate(gaps[: len(counts) - 1], initial=0.0)]
    standing = Standing(counts[0], startup_s)
    stack = [-1e9] * counts[0]
    known = ready(schedule(np.array(at), np.array(counts)), startup_s)
    later = [round(begin + wait, 3) for begin in at for wait in (startup_s, 0.4)]
    for now in sorted({*at, *later}):
        if now in at:
            count = counts[at.index(now)]
            standing.ask(now, count)
            stack = stack[:count] + [now] * (count - len(stack))
        serving = sum(now - since >= startup_s - 1e-6 for since in stack)
        assert standing.ready(now) == serving
        assert int(known.value(np.array([now]))[0]) == serving


def test_violation_is_the_share_of_requests_while_demand_exceeds_the_usable() -> None:
    # Scored: steps 2 and 3 of 2 and 6 requests. 4 replicas from 90 + 75 = 165 s on, 2 before:
    # step 2 (120 to 180 s) has enough all along, step 3 has 4 of 6 and misses all its 6.
    found = score(trial([2, 2, 2, 6], startup_s=75), asked((0, 2), (90, 4)))
    assert found.violation == pytest.approx(6 / 8)
    assert found.worst_hour == pytest.approx(6 / 8)
    assert found.cost == 4 * 120
    assert found.actions_per_hour == 0.0  # The change at 90 s was in warm-up.


def test_a_replica_that_is_ready_within_a_step_counts_from_then_on() -> None:
    # Step 2 needs 4: 2 until 20 s into it, then 4.
    found = score(trial([2, 2, 4, 0], startup_s=20), asked((0, 2), (120, 4), (180, 1)))
    assert found.violation == pytest.approx(20 / 60)
    assert found.cost == 4 * 60 + 1 * 60
    assert found.actions_per_hour == pytest.approx(1 / (120 / 3600))


def test_unserved_is_carried_until_it_is_served() -> None:
    # One replica serves 10 a step. 25, 5, 0, 0: waiting at ends of steps 15, 10, 0, 0.
    plant = trial([0] * 4 + [25, 5, 0, 0], capacity=10 / 60)
    assert score(plant, asked((0, 1))).unserved == pytest.approx(25 / 30)
    assert score(plant, asked((0, 3))).unserved == 0.0


def test_steps_that_nobody_measured_are_neither_demand_nor_cost() -> None:
    plant = trial([1, 1, 1, float("nan"), 1, 1])
    found = score(plant, asked((0, 2)))
    assert found.cost == 2 * 120
    assert found.violation == 0.0
    assert score(plant, asked((0, 0))).violation == 1.0


def test_the_worst_hour_and_the_worst_tenant() -> None:
    tenants = {
        "early": np.array([0.0, 0, 3000, 0]),
        "late": np.array([0.0, 0, 0, 3000]),
        "rare": np.array([0.0, 0, 0, 3]),
    }
    series = made([0, 0, 3000, 3003], step_s=3600, tenants=tenants)
    plant = trial(series, capacity=1000 / 0.9 / 3600)
    found = score(plant, asked((0, 3)))
    assert found.violation == pytest.approx(3003 / 6003)
    assert found.worst_hour == 1.0
    assert found.worst_tenant == 1.0
    # Half of the last step: the tenant that too few requests come from does not count.
    found = score(plant, asked((0, 3), (3600 * 3.5, 4)))
    assert found.worst_tenant == pytest.approx(0.5)


@pytest.mark.parametrize("value", [1.0, 500.0, 840.0, 12_345.0])
def test_a_constant_trace_begins_with_the_twenty_replicas_of_its_mean(value: float) -> None:
    series = made([value] * 8)
    plant = trial(series, capacity=default_capacity(series), least=1, most=MOST)
    assert plant.initial() == 20
    assert trial(made([value * 1.01] * 8), capacity=plant.capacity, most=MOST).initial() == 21


def test_spread_arrivals_add_up_and_depend_on_the_seed_alone() -> None:
    plant = trial([60, 0, 600, 33])
    counts = Observed(plant).counts
    assert counts.reshape(4, 60).sum(axis=1).tolist() == [60, 0, 600, 33]
    assert (counts == Observed(plant).counts).all()
    assert (counts != Observed(trial([60, 0, 600, 33], seed=2)).counts).any()


def test_what_is_no_count_is_spread_evenly() -> None:
    seen = Observed(trial([0.5, 0.25, 0.5, 0.0]))
    assert seen.rate(60.0, 60.0) == pytest.approx(0.5 / 60, rel=1e-3)
    assert seen.rate(90.0, 30.0) == pytest.approx(0.25 / 60, rel=1e-2)
    assert seen.counts.dtype.kind == "i"


def test_a_metric_is_of_seconds_that_are_over_and_were_told() -> None:
    silent = np.array([False, False, True, False, False, False])
    series = made([60, 120, 180, float("nan"), 60, 60], silent=silent)
    seen = Observed(trial(series))
    assert seen.rate(0.0, 60) is None
    assert seen.rate(60.0, 60) == 1.0
    assert seen.rate(120.0, 120) == 1.5
    assert seen.rate(150.0, 60) is None  # Telemetry is silent, though demand goes on.
    assert seen.rate(210.0, 60) is None  # Nobody measured.
    assert seen.rate(300.0, 60) == 1.0
    assert seen.arrived(130) is None
    assert seen.arrived(65) is not None


class Watcher:
    """Asks for one more each time, and remembers what it was shown."""

    name, period_s = "watcher", 45.0

    def __init__(self) -> None:
        self.views: list[View] = []

    def desired(self, view: View) -> int:
        self.views.append(view)
        return view.desired + 1


def test_a_polled_policy_sees_only_the_past() -> None:
    watcher = Watcher()
    plant = trial([600, 0, 6000, 60], startup_s=70, least=1, capacity=1.0)
    run = run_polled(plant, Observed(plant), watcher)
    assert [view.now for view in watcher.views] == [45, 90, 135, 180, 225]
    first = plant.initial()
    assert [view.desired for view in watcher.views] == [first + n for n in range(5)]
    # Asked for at 45 s, ready at 115 s, so first seen at 135 s.
    assert [view.ready - first for view in watcher.views] == [0, 0, 1, 2, 3]
    changed = [*plant.series.values[:3].tolist(), 9999.0]
    other, later = Watcher(), trial(changed, startup_s=70, least=1, capacity=1.0)
    run_polled(later, Observed(later), other)
    assert other.views[:4] == watcher.views[:4]
    assert other.views[4] != watcher.views[4]
    assert pairs(run.asked)[1] == (45.0, first + 1)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (0.01, "1.00%"),
        (0.005, "0.50%"),
        (0.0125, "1.25%"),
        (0.00005, "0.005%"),
        (0.999, "99.90%"),
        (5e-7, "0.00005%"),
        (0.1, "10.00%"),
    ],
)
def test_a_budget_is_told_as_exactly_as_it_was_given(budget: float, words: str) -> None:
    assert allowed(budget) == words


def test_demand_that_the_most_replicas_cannot_serve() -> None:
    # A replica serves 1 a step within the SLO; the first half is warm-up.
    assert trial([1.0, 3.0, 4.0, 1.0], most=3).most_too_few
    assert not trial([1.0, 3.0, 4.0, np.nan], most=4).most_too_few
    assert not trial([9.0, 9.0, 1.0, 1.0], most=3).most_too_few


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"capacity": 1e-320}, "in the trace's own unit"),
        ({"capacity": 1e308}, "at most 1e.15"),
        ({"capacity": np.nan}, "above 0"),
        ({"violations": np.nan}, "a share above 0 and below 1"),
    ],
)
def test_what_cannot_be_run_is_refused(given: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trial([1.0, 2.0, 3.0, 4.0], **given)


def test_the_first_halfs_mean_is_twenty_replicas_at_seven_tenths() -> None:
    assert default_capacity(made([840, 840, 1, 1])) == pytest.approx(1.0)
    assert default_capacity(made([840, float("nan"), 1, 1])) == pytest.approx(1.0)
    with pytest.raises(TraceError, match="--capacity-per-replica"):
        default_capacity(made([0, 0, 5, 5]))
