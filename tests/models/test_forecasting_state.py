"""What a forecaster keeps between two steps is as good as River's own objects, to the last bit."""

from __future__ import annotations

import random
from array import array

import msgspec
import pytest
from river import linear_model, preprocessing

from models import sketch
from models.domain.load import Load
from models.forecasting.promises import Promises
from models.forecasting.residual import FEATURES, SMOOTHING, ResidualModel
from models.forecasting.residuals import KEPT, Largest
from models.window import SPAN, Window, WindowState


def pairs(count: int) -> list[tuple[list[float], float]]:
    """Features and targets; one feature is always 0, as time of day is at a grid's corner."""
    chance = random.Random(count)
    made = []
    for _ in range(count):
        features = [chance.gauss(0, 1 + place) for place in range(len(FEATURES) - 1)]
        made.append(([*features, 0.0], features[0] * 2 + chance.gauss(0, 1)))
    return made


@pytest.mark.parametrize("often", [1, 3, 1000])
def test_a_model_that_rests_is_the_river_that_it_was_made_of(often: int) -> None:
    scale = preprocessing.StandardScaler()
    model = linear_model.BayesianLinearRegression(smoothing=SMOOTHING)
    ours = ResidualModel()
    for number, (features, target) in enumerate(pairs(300)):
        named = dict(zip(FEATURES, features, strict=True))
        if number:
            wanted = model.predict_one(scale.transform_one(named))
            assert ours.predict(features) == wanted
        if number % 7 != 3:  # Sometimes there is nothing to learn from between two looks ahead.
            scale.learn_one(named)
            model.learn_one(scale.transform_one(named), target)
            ours.learn(features, target)
        if number % often == 0:
            ours.rest()
        if number % 100 == 99:
            ours = ResidualModel.restored(ours.state())


def test_a_state_of_too_few_numbers_is_refused() -> None:
    ours = ResidualModel()
    ours.learn([1.0] * len(FEATURES), 1.0)
    cut = msgspec.structs.replace(ours.state(), natural=b"\0" * 8)
    with pytest.raises(ValueError, match="in place of"):
        ResidualModel.restored(cut)


def test_promises_come_out_as_they_went_in() -> None:
    queue = Promises(2)
    assert queue.due is None
    for due in (4, 5, 9):
        queue.add((due, due + 0.1, due + 0.2, due + 0.3), array("f", [0.1, due]))
    again = Promises.restored(2, queue.state())
    assert again.state() == queue.state()
    for due in (4, 5, 9):
        assert again.due == due
        last, centre, scale, features = again.pop()
        assert (last, centre, scale) == (due + 0.1, due + 0.2, due + 0.3)
        assert array("f", features) == array("f", [0.1, due])
    assert again.due is None


def test_the_largest_is_that_of_the_newest() -> None:
    chance = random.Random(3)
    seen: list[float] = []
    largest = Largest()
    for number in range(3 * KEPT):
        value = chance.gauss(-1, 1)
        seen.append(value)
        largest.add(value)
        assert largest.value() == max(0.0, *seen[-KEPT:])
        if number % 50 == 0:
            largest = Largest(*largest.state())


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
