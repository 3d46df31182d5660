"""Forecasts of tenants, summed: bounded, the same in any order, and worth something."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Mapping

import msgspec
import pytest

from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads
from models.forecasting.named import CANDIDATES, MOST, Candidate, Named, NamedState
from models.forecasting.outlook import ForecasterState
from models.forecasting.tenants import Tenants, TenantsState, several
from models.planes import planes
from models.sums import OTHER_TENANTS

STEP_S = 10
AHEAD = 6


def close(tenants: Tenants, step: int, values: Mapping[str, float], rest: float = 0.0) -> float:
    total = math.fsum(values.values()) + rest
    return tenants.close(step, values, total, AHEAD, STEP_S)


def raw(tenants: Tenants) -> bytes:
    return msgspec.msgpack.encode(tenants.state())


def restored(tenants: Tenants) -> Tenants:
    return Tenants(msgspec.msgpack.decode(raw(tenants), type=TenantsState))


def crowd(step: int, count: int = 12, seed: int = 3) -> dict[str, float]:
    """Demand of tenants that come and go; each moves by its own rule."""
    chance = random.Random(seed * 100_003 + step)
    return {
        f"t{number:02d}": chance.expovariate(1 / (10.0 * number + 1.0))
        for number in range(count)
        if (step // (40 + 17 * number) + number) % 3
    }


def test_a_sum_is_of_two() -> None:
    assert not several({}, 10.0)
    assert not several({"a": 10.0}, 10.0)
    assert not several({"a": 10.0, "b": 0.0}, 10.0)
    assert not several({"a": 0.0}, 10.0)  # Nobody is told apart.
    assert several({"a": 6.0, "b": 4.0}, 10.0)
    assert several({"a": 6.0}, 10.0)


def test_ten_thousand_tenants_take_no_more_than_a_few() -> None:
    chance = random.Random(5)
    tenants, largest = Tenants(), 0
    for step in range(400):
        names = (f"tenant-{chance.randrange(10_000):05d}" for _ in range(64))
        said = close(tenants, step, {name: chance.expovariate(0.1) for name in names}, rest=500.0)
        assert math.isfinite(said)
        largest = max(largest, len(raw(tenants)))
    state = tenants.state()
    assert len(state.named.names) == len(set(state.named.names)) == MOST
    assert len(state.named.candidates) <= CANDIDATES
    assert largest < 850


def test_the_order_of_names_does_not_matter() -> None:
    one, other, chance = Tenants(), Tenants(), random.Random(1)
    for step in range(600):
        values = crowd(step)
        shuffled = list(values.items())
        chance.shuffle(shuffled)
        total = math.fsum(values.values()) + 3.0
        said = one.close(step, values, total, AHEAD, STEP_S)
        assert other.close(step, dict(shuffled), total, AHEAD, STEP_S) == said
    assert raw(one) == raw(other)


def test_equal_tenants_are_taken_by_name() -> None:
    names = [f"t{number:02d}" for number in range(12)]
    tenants = Tenants()
    for step in range(50):
        close(tenants, step, dict.fromkeys(reversed(names), 5.0))
    state = tenants.state().named
    assert state.names == names[:MOST]
    assert [candidate.name for candidate in state.candidates] == names[MOST:]


def test_restored_they_go_on_to_the_last_bit() -> None:
    one = Tenants()
    for step in range(500):
        close(one, step, crowd(step))
    two = restored(one)
    assert raw(two) == raw(one)
    for step in range(500, 900):
        if step % 13:
            assert close(two, step, crowd(step)) == close(one, step, crowd(step))
    assert raw(two) == raw(one)


@pytest.mark.parametrize("changes", [{"scales": b"1234"}, {"averages": b"123"}, {"promises": b"1"}])
def test_a_state_that_is_not_whole_is_refused(changes: dict[str, bytes]) -> None:
    tenants = Tenants()
    for step in range(20):
        close(tenants, step, {"a": 1.0, "b": 2.0})
    with pytest.raises(ValueError, match="numbers"):
        Tenants(msgspec.structs.replace(tenants.state(), **changes))


def test_values_that_are_no_demand_are_nobody_s() -> None:
    odd, plain = Tenants(), Tenants()
    for step in range(200):
        values = {"a": 3.0 + step % 7, "b": 5.0 - step % 3}
        total = sum(values.values()) + 1.0
        wrong = {"c": math.nan, "d": -1.0, "e": math.inf, "f": 0.0, "g": 2.0 * total}
        said = odd.close(step, {**wrong, **values}, total, AHEAD, STEP_S)
        assert said == plain.close(step, values, total, AHEAD, STEP_S)
    assert raw(odd) == raw(plain)


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1.0, 1e12, 1e26, 1e300])
def test_whatever_size_what_is_said_is_finite_or_nothing(size: float) -> None:
    tenants = Tenants()
    for step in range(400):
        values = {name: value * size for name, value in crowd(step).items()}
        said = close(tenants, step, values)
        assert math.isnan(said) if size > 1e30 else math.isfinite(said)
        assert abs(said) < 1e4 * size or math.isnan(said)
    for _ in range(3):
        assert math.isfinite(close(tenants, 401, {"a": 1.0, "b": 1.0}))


def test_zeros_and_a_gap_say_nothing_new() -> None:
    tenants = Tenants()
    for step in range(300):
        close(tenants, step, {"a": 4.0, "b": 6.0})
    assert close(tenants, 300, {"a": 4.0, "b": 6.0}) == pytest.approx(0.0, abs=1e-4)
    after = close(tenants, 500, {"a": 4.0, "b": 6.0})  # Of the gap nothing was made up.
    assert after == pytest.approx(0.0, abs=1e-4)
    learned = tenants.state().learned[1]
    close(tenants, 700, {})
    assert tenants.state().learned[1] == learned
    for step in range(701, 1500):
        said = close(tenants, step, {})
    assert 0.0 <= said < 1.0


def test_who_is_not_named_in_a_step_with_others_is_not_known_to_have_had_none() -> None:
    one, other = Tenants(), Tenants()
    for step in range(200):
        values = {"a": 50.0 + step % 7, "b": 20.0 + step % 5}
        for tenants in (one, other):
            tenants.close(step, values, 100.0, AHEAD, STEP_S)
    assert math.isnan(one.close(200, {"b": 20.0, OTHER_TENANTS: 80.0}, 100.0, AHEAD, STEP_S))
    told = {"a": 50.0, "b": 20.0, OTHER_TENANTS: 30.0}
    said = one.close(201, told, 100.0, AHEAD, STEP_S)
    assert said == other.close(201, {"a": 50.0, "b": 20.0}, 100.0, AHEAD, STEP_S)
    assert raw(one) == raw(other)


def test_who_has_left_for_good_does_not_end_it_where_every_step_has_more_than_have_names() -> None:
    tenants = Tenants()
    for step in range(200):
        close(tenants, step, {"a": 50.0 + step % 7, "b": 20.0 + step % 5, OTHER_TENANTS: 10.0})
    said = [
        close(tenants, step, {"b": 20.0 + step % 5, OTHER_TENANTS: 10.0})
        for step in range(200, 300)
    ]
    silent = [math.isnan(each) for each in said]
    assert silent == [True] * 59 + [False] * 41  # GONE_S on this grid, since step 199.


def test_who_is_small_is_not_waited_for() -> None:
    tenants = Tenants()
    for step in range(200):
        close(tenants, step, {"a": 50.0, "b": 20.0, "c": 0.1, OTHER_TENANTS: 10.0})
    assert math.isfinite(close(tenants, 200, {"a": 50.0, "b": 20.0, OTHER_TENANTS: 10.0}))
    assert math.isnan(close(tenants, 201, {"a": 50.0, "c": 0.1, OTHER_TENANTS: 10.0}))


def test_a_shorter_horizon_withdraws_what_was_promised_for_later() -> None:
    tenants = Tenants()

    def learned(steps: range, ahead: int) -> int:
        for step in steps:
            values = {"a": 50.0 + step % 7, "b": 20.0 + step % 5}
            tenants.close(step, values, math.fsum(values.values()), ahead, STEP_S)
        return tenants.state().learned[1]

    assert learned(range(41), 60) == 0  # Two are in flight, the first due at step 60.
    assert learned(range(41, 56), AHEAD) > 0


def test_one_alone_says_nothing() -> None:
    tenants = Tenants()
    for step in range(10):
        assert math.isnan(close(tenants, step, {"a": 5.0}))
    assert math.isfinite(close(tenants, 10, {"a": 5.0, "b": 1.0}))


def test_who_is_not_known_now_takes_nobody_s_name() -> None:
    names = [f"n{place}" for place in range(MOST)]
    one = Named(
        NamedState(
            names=names,
            scores=planes(array("f", [1.0] * MOST).tobytes(), 4),
            candidates=[Candidate("z", 50.0, 100.0)],
            looked_s=0.0,
        )
    )
    told, near = dict.fromkeys(names, 5.0), [5.0] * MOST
    assert one.watch(told, near, STEP_S, whole=False) is None
    assert one.watch({**told, "z": 60.0}, near, STEP_S, whole=False) is not None
    assert "z" in one.names


def test_who_becomes_large_gets_a_name_and_keeps_it() -> None:
    tenants = Tenants()
    small = {f"small-{number}": 10.0 + number for number in range(MOST)}
    chance, held = random.Random(2), []
    for step in range(3000):
        late = {"late": 400.0 * chance.random()} if step >= 1000 else {}
        noisy = {name: value * (0.9 + 0.2 * chance.random()) for name, value in small.items()}
        close(tenants, step, {**noisy, **late, "other": 9.0})
        held.append("late" in tenants.state().named.names)
    assert not any(held[:1000])
    assert held[1000:].index(True) < 60  # Ten minutes.
    assert all(held[1060:])


def several_walks(steps: int, seed: int) -> list[dict[str, float]]:
    """One tenant that wanders, and two that come back to their means from one step to the next."""
    chance = random.Random(seed)
    wanders, made = 2000.0, []
    for _ in range(steps):
        wanders = max(wanders + chance.gauss(0.0, 30.0), 50.0)
        noise = {name: 200.0 * chance.random() for name in ("noise-a", "noise-b")}
        made.append({"wanders": wanders, **noise})
    return made


def missed(rows: list[dict[str, float]], *, told: bool) -> tuple[float, Forecaster]:
    """Mean absolute error on the second half."""
    forecaster, errors = Forecaster(), []
    said: dict[int, float] = {}
    for step, values in enumerate(rows):
        total = math.fsum(values.values())
        if step in said and step > len(rows) // 2:
            errors.append(abs(said[step] - total))
        forecaster.close(step, total, Leads(), AHEAD, values if told else None)
        assert forecaster.outlook is not None
        said[step + AHEAD] = forecaster.outlook.centre
    return math.fsum(errors) / len(errors), forecaster


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tenants_of_different_habits_are_forecast_better_apart(seed: int) -> None:
    rows = several_walks(3000, seed)
    apart, forecaster = missed(rows, told=True)
    whole, _ = missed(rows, told=False)
    assert "tenants" in forecaster.experts()
    assert apart < 0.95 * whole  # 0.91 to 0.92 of it.


def encoded(forecaster: Forecaster) -> bytes:
    return msgspec.msgpack.encode(forecaster.state())


@pytest.mark.parametrize("tenants", [{}, {"a": 1.0}, {"a": 1.0, "b": 0.0}])
def test_where_there_are_not_two_forecasts_are_as_without(tenants: dict[str, float]) -> None:
    told, untold = Forecaster(), Forecaster()
    for step in range(400):
        value = 50.0 + step % 11
        parts = {name: share * value for name, share in tenants.items()}
        told.close(step, value, Leads(), AHEAD, parts)
        untold.close(step, value, Leads(), AHEAD)
    assert encoded(told) == encoded(untold)
    assert told.state().tenants is None
    assert "tenants" not in told.experts()


def test_the_expert_sleeps_where_tenants_are_not_told_and_wakes_again() -> None:
    forecaster = Forecaster()
    for step in range(300):
        values = {"a": 10.0 + step % 5, "b": 20.0 - step % 3}
        told = not 100 <= step < 200
        forecaster.close(step, sum(values.values()), Leads(), AHEAD, values if told else None)
        assert ("tenants" in forecaster.experts()) is told
    again = Forecaster.restored(msgspec.msgpack.decode(encoded(forecaster), type=ForecasterState))
    for each in (forecaster, again):
        each.close(300, 30.0, Leads(), AHEAD, {"a": 10.0, "b": 20.0})
    assert again.experts() == forecaster.experts()
    assert encoded(again) == encoded(forecaster)
