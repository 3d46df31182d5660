"""What a forecaster keeps between two steps is as good as River's own objects, to the last bit."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from river import linear_model

from models import sketch
from models.demand import DemandMeter
from models.domain.load import Load
from models.forecasting.promises import MOST, Promises
from models.forecasting.residual import FEATURES, FLOOR, PRIOR_PAIRS, ResidualModel, cut
from models.seconds import SPAN
from models.window import Window, WindowState

SMOOTHING = 0.999


def pairs(count: int) -> list[tuple[list[float], float]]:
    """Features and targets; one feature is always 0, as time of day is at a grid's corner."""
    chance = random.Random(count)
    made = []
    for _ in range(count):
        features = [chance.gauss(0, 1 + place) for place in range(len(FEATURES) - 1)]
        made.append(([*features, 0.0], features[0] * 2 + chance.gauss(0, 1)))
    return made


def test_the_numbers_that_are_kept_are_the_river_that_they_were_taken_of() -> None:
    model = linear_model.BayesianLinearRegression(
        alpha=1 / (PRIOR_PAIRS * (1 - SMOOTHING)), smoothing=SMOOTHING
    )
    ours = ResidualModel()
    for number, (features, target) in enumerate(pairs(300)):
        named = dict(zip(FEATURES, cut(features), strict=True))
        if number:
            assert ours.predict(features) == pytest.approx(model.predict_one(named), abs=1e-12)
        if number % 7 != 3:  # Sometimes there is nothing to learn from between two looks ahead.
            if ours.learned:
                model._ss_arr[np.diag_indices(len(FEATURES))] += (1 - SMOOTHING) * FLOOR
            model.learn_one(named, min(max(target, -10), 10))
            ours.learn(features, target, SMOOTHING)
        if number % 100 == 99:
            again = ResidualModel.restored(ours.state())
            assert again.state() == ours.state()
            assert again.predict(features) == ours.predict(features)
            ours = again


def test_before_anything_was_learned_no_change_is_predicted() -> None:
    assert ResidualModel().predict([1.0] * len(FEATURES)) == 0


def test_a_state_of_too_few_numbers_is_refused() -> None:
    ours = ResidualModel()
    ours.learn([1.0] * len(FEATURES), 1.0, SMOOTHING)
    cut_off = msgspec.structs.replace(ours.state(), natural=b"\0" * 8)
    with pytest.raises(ValueError, match="in place of"):
        ResidualModel.restored(cut_off)


def test_promises_come_out_as_they_went_in() -> None:
    queue = Promises(1, 2)
    assert queue.due is None
    for due in (4, 5, 9):
        queue.add(due, due + 0.1, due + 0.2, (0.5, 0.25, 2.0), [1.5], [-0.5, due])
    again = Promises(1, 2, queue.state())
    assert len(again) == 3
    for due in (4, 5, 9):
        assert again.due == due
        assert again.pop() == (due, due + 0.1, due + 0.2, 0.5, 0.25, 2.0, (1.5,), (-0.5, due))
    assert again.due is None


def test_a_shorter_horizon_withdraws_what_is_due_later_and_a_full_queue_takes_no_more() -> None:
    queue = Promises(1, 1)
    for due in (5, 9, 12, 7):
        queue.add(due, 0.0, 1.0, (0.0, 0.0, 1.0), [0.0], [0.0])
    assert [queue.pop().due for _ in range(len(queue))] == [5, 7]
    for due in range(MOST + 5):
        queue.add(due, 0.0, 1.0, (0.0, 0.0, 1.0), [0.0], [0.0])
    assert len(queue) == MOST


def test_promises_that_are_not_whole_are_refused() -> None:
    queue = Promises(1, 2)
    queue.add(4, 1.0, 1.0, (0.0, 0.0, 1.0), [0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="no whole promises"):
        Promises(1, 2, queue.state()[:-1])


def test_a_second_may_hold_more_than_four_bytes_can_say() -> None:
    window = Window()
    counts = [7, 3_000_000_000, 2**40, 1]
    for second, tokens in enumerate(counts):
        for half in (1, 2):
            window.add(load(second, half, tokens * half // 2), None)
    sums = [tokens // 2 + tokens for tokens in counts]
    assert window.column("tokens_in", 0, len(counts) - 1) == sums
    again = Window.restored(msgspec.convert(window.state(), WindowState))
    assert again.state() == window.state()
    again.add(load(SPAN + 1, 1, 5), None)
    assert again.total("tokens_in", 0, SPAN + 1) == sum(sums[2:]) + 5


@pytest.mark.parametrize("count", [1, 2**20 - 1, 2**20, 2**39])
def test_latencies_of_a_slot_that_is_over_are_the_same(count: int) -> None:
    window = Window()
    counts = {sketch.BUCKETS - 1: count, 3: 1, 0: 2}
    first = msgspec.structs.replace(load(10, 1, 0), latency=counts)
    window.add(first, None)
    window.add(load(25, 2, 0), None)
    window.add(msgspec.structs.replace(load(11, 3, 0), latency={3: 4}), None)
    window.add(load(36, 4, 0), None)
    assert window.latencies(60) == {**counts, 3: 5}


def test_sessions_are_held_only_where_one_was_told_of() -> None:
    """So that a workload that never tells of them is not one that opens none."""
    window = Window()
    demand = DemandMeter(window, "requests")
    for second in range(20):
        told = msgspec.structs.replace(load(second, second, 0), started=2)
        window.add(told, None)
        assert demand.session_starts(0) is None
    assert "sessions" not in window.state().sums
    first = msgspec.structs.replace(load(21, 21, 0), started=2, sessions=1)
    window.add(first, None)
    window.add(msgspec.structs.replace(first, reach=22, sessions=3), first)
    again = Window.restored(msgspec.convert(window.state(), WindowState))
    for restored in (window, again):
        demand = DemandMeter(restored, "requests")
        assert [demand.session_starts(step) for step in (0, 1, 2)] == [0.0, 0.0, 3.0]


def test_a_load_without_sessions_is_the_bytes_that_it_was() -> None:
    assert b"sessions" not in msgspec.json.encode(load(1, 1, 0))
    told = msgspec.structs.replace(load(1, 1, 0), sessions=2)
    assert msgspec.json.decode(msgspec.json.encode(told), type=Load) == told


def load(second: int, block: int, tokens: int) -> Load:
    return Load(
        workload="a/b",
        second=second,
        source=0,
        block=block,
        reach=block,
        sent_us=second * 1_000_000,
        events=1,
        finished=1,
        tokens_in=tokens,
    )


def test_a_feature_that_never_speaks_leaves_a_matrix_that_can_be_inverted() -> None:
    """Two years of zeros, by the half-life of live, and then anything at all."""
    ours = ResidualModel()
    for _ in range(4000):
        ours.learn([0.0] * len(FEATURES), 0.0, 0.8)
    for features, target in pairs(50):
        ours.learn(features, target, 0.8)
        assert abs(ours.predict(features)) < 1e6
