"""What holds of the forecaster whatever demand does, and of each of its experts.

Every series here is one that broke some forecaster somewhere: gaps, zeros, outages, huge values,
no change at all, steps by a factor, one giant.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec
import pytest

from models.forecasting.experts import NAMES, PRIOR
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads
from models.forecasting.outlook import ForecasterState
from models.forecasting.promises import MOST
from models.forecasting.residual import FEATURES
from models.sums import OTHER_TENANTS

NAN = math.nan
STEPS = 900
"""Two and a half hours of 10 s steps."""


def _noisy(level: float = 100.0) -> list[float]:
    chance = random.Random(1)
    return [
        max(level * (1 + 0.3 * math.sin(step / 60) + 0.1 * chance.gauss(0, 1)), 0.0)
        for step in range(STEPS)
    ]


def _gaps() -> list[float]:
    return [NAN if 300 <= step < 420 or step % 17 == 0 else v for step, v in enumerate(_noisy())]


def _outage() -> list[float]:
    return [0.0 if 300 <= step < 420 else v for step, v in enumerate(_noisy())]


def _bursts() -> list[float]:
    chance = random.Random(2)
    return [float(chance.expovariate(0.02)) if chance.random() < 0.1 else 0.0 for _ in range(STEPS)]


SERIES: dict[str, Callable[[], list[float]]] = {
    "noisy": _noisy,
    "gaps": _gaps,
    "outage": _outage,
    "bursts": _bursts,
    "zeros": lambda: [0.0] * STEPS,
    "constant": lambda: [7.0] * STEPS,
    "huge": lambda: _noisy(1e12),
    "tiny": lambda: _noisy(1e-12),
    "step": lambda: [v * (10.0 if step > 450 else 1.0) for step, v in enumerate(_noisy())],
    "awakes": lambda: [0.0] * 450 + _noisy()[450:],
    "one giant": lambda: [1e12 if step == 450 else v for step, v in enumerate(_noisy())],
    "alternating": lambda: [0.0, 1e6] * (STEPS // 2),
}


def parts(step: int, value: float) -> dict[str, float] | None:
    """A step's value by tenant: shares that change, somebody unnamed, at times nobody knows.

    In some steps more than have names, so that who is not in it is not known to have had none.
    """
    share = 0.5 + 0.4 * math.sin(step / 9)
    if step % 23 == 0:
        return None
    found = {"a": share * value, f"b{step // 100}": (1 - share) * value * (step % 3) / 2}
    if step % 5 == 0:
        found[OTHER_TENANTS] = 0.1 * found.pop("a")
    return found


def walk(values: list[float], ahead: int = 6, forecaster: Forecaster | None = None) -> Forecaster:
    """A forecaster that was told ``values``; NaN is a gap, of which nobody tells it."""
    walked = forecaster or Forecaster()
    for step, value in enumerate(values):
        if not math.isnan(value):
            walked.close(step, value, Leads(value * 10), ahead)
    return walked


@pytest.fixture(params=SERIES, name="values")
def _values(request: pytest.FixtureRequest) -> list[float]:
    return SERIES[request.param]()


@pytest.mark.parametrize("told", [False, True], ids=["", "tenants"])
@pytest.mark.parametrize("ahead", [1, 6, 90])
def test_whatever_demand_does_what_is_said_is_finite_and_in_order(
    values: list[float], ahead: int, *, told: bool
) -> None:
    forecaster = Forecaster()
    for step, value in enumerate(values):
        if math.isnan(value):
            continue
        forecaster.close(step, value, Leads(), ahead, parts(step, value) if told else None)
        outlook = forecaster.outlook
        assert outlook is not None
        assert 0 <= outlook.centre < math.inf
        assert 0 < outlook.scale < math.inf
        if step % 20:
            continue
        quantiles = [forecaster.quantile(level) for level in (0.5, 0.9, 0.93, 0.95, 0.99, 0.999)]
        known = [quantile for quantile in quantiles if quantile is not None]
        assert len(known) == len(quantiles)
        assert known == sorted(known)
        assert known[0] >= 0
        assert known[-1] < math.inf
        experts = forecaster.experts()
        assert [*experts] == [name for name in NAMES if name in experts]
        assert {"last-value", "bayes-lr"} <= set(experts)
        assert all(0 <= said < math.inf for said in experts.values())


def test_one_that_is_told_of_tenants_is_restored_to_the_last_bit(values: list[float]) -> None:
    one = Forecaster()
    for step in range(STEPS):
        if step == 600:
            raw = msgspec.msgpack.encode(one.state())
            two = Forecaster.restored(msgspec.msgpack.decode(raw, type=ForecasterState))
        value = values[step]
        if math.isnan(value):
            continue
        one.close(step, value, Leads(5.0), 6, parts(step, value))
        if step >= 600:
            two.close(step, value, Leads(5.0), 6, parts(step, value))
            assert two.experts() == one.experts()
            assert two.quantile(0.9) == one.quantile(0.9)
    assert msgspec.msgpack.encode(two.state()) == msgspec.msgpack.encode(one.state())


def test_a_restored_forecaster_goes_on_to_the_last_bit(values: list[float]) -> None:
    one = walk(values[:600])
    raw = msgspec.msgpack.encode(one.state())
    two = Forecaster.restored(msgspec.msgpack.decode(raw, type=ForecasterState))
    assert msgspec.msgpack.encode(two.state()) == raw
    assert two.quantile(0.95) == one.quantile(0.95)
    for step in range(600, STEPS):
        if not math.isnan(values[step]):
            one.close(step, values[step], Leads(5.0), 6)
            two.close(step, values[step], Leads(5.0), 6)
            assert two.outlook == one.outlook
            assert two.quantile(0.9) == one.quantile(0.9)
            assert two.experts() == one.experts()
    assert msgspec.msgpack.encode(two.state()) == msgspec.msgpack.encode(one.state())


def test_a_restored_forecaster_has_not_forgotten_its_sessions() -> None:
    one = Forecaster()
    for step, value in enumerate(_noisy()[:600]):
        one.close(step, value, Leads(value, float(step % 3)), 6)
    raw = msgspec.msgpack.encode(one.state())
    two = Forecaster.restored(msgspec.msgpack.decode(raw, type=ForecasterState))
    for step in range(600, STEPS):
        for forecaster in (one, two):
            forecaster.close(step, 100.0, Leads(100.0, 5.0), 6)
        assert two.outlook == one.outlook
    assert msgspec.msgpack.encode(two.state()) == msgspec.msgpack.encode(one.state())


def test_sessions_of_which_nobody_tells_are_as_if_there_was_no_such_feature() -> None:
    """And zeros before the first of them opens are no more than that."""
    silent, zeros = Forecaster(), Forecaster()
    for step, value in enumerate(_noisy()):
        silent.close(step, value, Leads(value), 6)
        zeros.close(step, value, Leads(value, 0.0), 6)
    assert msgspec.msgpack.encode(silent.state()) == msgspec.msgpack.encode(zeros.state())
    place = FEATURES.index("sessions")
    model = silent._model
    assert model._means is not None
    assert model._means[place] == 0.0
    assert silent.state().opened == b""


def test_asking_changes_nothing(values: list[float]) -> None:
    asked, quiet = Forecaster(), Forecaster()
    for step, value in enumerate(values[:500]):
        if math.isnan(value):
            continue
        for forecaster in (asked, quiet):
            forecaster.close(step, value, Leads(value), 6)
        asked.experts()
        for level in (0.5, 0.95, 0.99, 0.95):
            asked.quantile(level)
        asked.overload_probability(value)
        asked.state()
    assert msgspec.msgpack.encode(asked.state()) == msgspec.msgpack.encode(quiet.state())


def test_memory_is_bounded_by_the_horizon_and_not_by_time() -> None:
    sizes = {}
    for ahead in (6, 90, 1000):
        forecaster = walk(_noisy(), ahead)
        early = len(msgspec.msgpack.encode(forecaster.state()))
        for step in range(STEPS, 4 * STEPS):
            forecaster.close(step, 100.0 + step % 7, Leads(), ahead)
        sizes[ahead] = len(msgspec.msgpack.encode(forecaster.state()))
        assert sizes[ahead] < early + 1500  # What the season and ADWIN still fill.
        assert len(forecaster._promises) <= MOST
    assert max(sizes.values()) < 6000


@pytest.mark.parametrize("told", [False, True], ids=["", "tenants"])
@pytest.mark.parametrize("factor", [2.0**-20, 4.0, 2.0**30])
def test_scaled_demand_has_the_scaled_forecast(factor: float, *, told: bool) -> None:
    values = _noisy()
    one, other = Forecaster(), Forecaster()
    for step, value in enumerate(values):
        for forecaster, times in ((one, 1.0), (other, factor)):
            tenants = parts(step, value * times) if told else None
            forecaster.close(step, value * times, Leads(value * 10), 6, tenants)
    assert one.outlook is not None
    assert other.outlook is not None
    assert other.outlook.centre == pytest.approx(one.outlook.centre * factor, rel=1e-6)
    for level in (0.9, 0.95, 0.99):
        told, scaled = one.quantile(level), other.quantile(level)
        assert told is not None
        assert scaled == pytest.approx(told * factor, rel=1e-4)


def test_a_gap_is_not_zero_demand() -> None:
    gone = [100.0 + step % 5 for step in range(400)]
    gap = walk([*gone, *[NAN] * 60])
    zero = walk([*gone, *[0.0] * 60])
    assert gap.outlook is not None
    assert zero.outlook is not None
    assert 95 < gap.outlook.centre < 110
    assert zero.outlook.centre < 20
    learned = gap.learned
    gap.close(460, 101.0, Leads(), 6)
    assert gap.learned == learned  # Nothing was promised of the step after the gap.
    assert 95 < gap.outlook.centre < 110


@pytest.mark.parametrize("value", [NAN, math.inf, -1.0])
def test_what_is_no_demand_is_a_gap(value: float) -> None:
    told, quiet = walk(_noisy()), walk(_noisy())
    told.close(STEPS, value, Leads(), 6)
    assert msgspec.msgpack.encode(told.state()) == msgspec.msgpack.encode(quiet.state())


def test_constant_demand_is_forecast_exactly_and_its_band_closes() -> None:
    forecaster = walk([7.0] * STEPS)
    assert forecaster.outlook is not None
    assert forecaster.outlook.centre == pytest.approx(7.0)
    assert forecaster.quantile(0.99) == pytest.approx(7.0, rel=0.02)


def test_a_cold_start_is_wide_reactive_and_says_so() -> None:
    forecaster = Forecaster()
    assert forecaster.quantile(0.95) is None
    assert forecaster.overload_probability(1.0) is None
    for step in range(20):
        forecaster.close(step, 40.0, Leads(), 6)
    outlook = forecaster.outlook
    assert outlook is not None
    assert outlook.trust == "cold"
    assert outlook.centre == 40.0
    assert "of 20 steps learned" in outlook.why
    # A quarter of demand is what a miss is taken to be: 40 + 0.25 * 40 * ln(0.5 / 0.05).
    assert forecaster.quantile(0.95) == pytest.approx(40 + 10 * math.log(10))
    assert forecaster.overload_probability(50.0) is None


def test_the_chance_of_overload_is_what_the_quantiles_say() -> None:
    forecaster = walk(_noisy())
    before = 1.0
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        quantile = forecaster.quantile(level)
        assert quantile is not None
        chance = forecaster.overload_probability(quantile)
        assert chance == pytest.approx(1 - level, abs=0.003)
        assert chance < before
        before = chance
    assert forecaster.overload_probability(1e6) == 0


def test_the_gate_closes_where_the_mixture_is_worse_than_the_last_value() -> None:
    forecaster = walk(_noisy())
    assert forecaster.outlook is not None
    assert forecaster.outlook.trust == "predictive"
    state = forecaster.state()
    worse = msgspec.structs.replace(state, gate=(107.0, 100.0, True))
    again = Forecaster.restored(worse)
    again.close(STEPS, 90.0, Leads(), 6)
    assert again.outlook is not None
    assert again.outlook.trust == "reactive"
    assert again.outlook.centre == 90.0
    still = msgspec.structs.replace(state, gate=(100.0, 100.0, False))
    again = Forecaster.restored(still)
    again.close(STEPS, 90.0, Leads(), 6)
    assert again.outlook is not None
    assert again.outlook.trust == "reactive"  # Hysteresis: as good is not yet better.


def test_a_horizon_that_changes_breaks_nothing() -> None:
    chance = random.Random(4)
    forecaster = Forecaster()
    for step, value in enumerate(_noisy()):
        forecaster.close(step, value, Leads(), chance.choice([1, 6, 30, 90, 400]))
        assert len(forecaster._promises) <= MOST
    assert forecaster.learned > 30
    assert forecaster.outlook is not None
    assert 0 < forecaster.outlook.centre < 300


def test_half_of_the_prior_is_the_last_value_s_while_the_week_and_the_tenants_sleep() -> None:
    assert sum(PRIOR) == pytest.approx(1.0)
    awake = dict(zip(NAMES, PRIOR, strict=True))
    del awake["week"], awake["tenants"]
    assert awake["last-value"] == pytest.approx(sum(awake.values()) / 2)


@pytest.mark.parametrize("step_s", [10, 60, 300])
def test_half_lives_are_of_time_and_not_of_calls(step_s: int) -> None:
    # An hour at one level, then ten minutes at twice of it: at any step about as much is believed.
    forecaster = Forecaster(step_s)
    for step in range(4200 // step_s):
        at_s = step * step_s
        forecaster.close(step, 100.0 if at_s < 3600 else 200.0, Leads(), max(900 // step_s, 1))
    said = forecaster.experts()
    assert said["average-3600s"] == pytest.approx(119.0, abs=4.0)
    assert said["average-300s"] == pytest.approx(175.0, abs=1.0)


@pytest.mark.parametrize(("ahead_s", "followed"), [(300, True), (900, False)])
def test_a_crowd_is_followed_after_two_minutes_unless_it_may_be_over(
    ahead_s: int, *, followed: bool
) -> None:
    forecaster, chance = Forecaster(60), random.Random(4)
    for step in range(1440):
        crowd = step >= 1437
        value = (400.0 if crowd else 100.0) * chance.uniform(0.8, 1.2)
        forecaster.close(step, value, Leads(), ahead_s // 60)
    assert forecaster.outlook is not None
    assert (forecaster.outlook.centre > 200.0) == followed


@pytest.mark.parametrize("days", [35, 400, 40_000])
@pytest.mark.parametrize("step_s", [10, 60])
def test_a_silence_of_months_is_survived(days: int, step_s: int) -> None:
    forecaster = Forecaster(step_s)
    for begin in (0, days * 86_400 // step_s):
        for step in range(begin, begin + 200):
            forecaster.close(step, 600.0 + step % 60 * 5.0, Leads(), 5)
    assert forecaster.outlook is not None
    assert 600.0 < forecaster.outlook.centre < 900.0
    quantile = forecaster.quantile(0.99)
    assert quantile is not None
    assert 600.0 < quantile < 2000.0
