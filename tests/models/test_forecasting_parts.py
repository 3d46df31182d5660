"""Parts of the forecaster, against numbers that can be worked out by hand."""

from __future__ import annotations

import math
import random

import pytest
from river import drift

from models.forecasting.bands import ANCHORS, Asked, Bands, Place
from models.forecasting.drift import MOST as MOST_MEANS
from models.forecasting.drift import Drift
from models.forecasting.grid import keep
from models.forecasting.leads import Opened
from models.forecasting.levels import Levels
from models.forecasting.mixture import RATE, Mixture
from models.forecasting.residuals import EDGES, Residuals
from models.forecasting.season import DAY_S, SLOT_S, Season
from models.forecasting.spread import Spread
from models.forecasting.trust import Gate

HERE = Place(0.0, 1.0)


def test_what_is_kept_is_a_half_after_a_half_life() -> None:
    assert keep(60.0, 60.0) == 0.5
    assert keep(60.0, 10.0) ** 6 == pytest.approx(0.5)


def test_averages_have_no_memory_of_a_first_value_and_a_gap_fades() -> None:
    levels = Levels()
    levels.add(10.0, 60.0)
    assert list(levels.averages) == [10.0] * 4
    # Weights 0.5 and 0.25 of a minute's half-life, over their sum: (20 * 2 + 10) / 3.
    levels.add(20.0, 60.0)
    assert levels.averages[0] == pytest.approx(50 / 3)
    levels.add(0.0, 600.0)  # Ten half-lives: next to nothing is left.
    assert levels.averages[0] == pytest.approx(0.0, abs=0.02)
    assert Levels(levels.state()).state() == levels.state()


def test_what_opens_now_amounts_to_what_sessions_did() -> None:
    opened = Opened()
    assert opened.amount() is None
    for _ in range(1000):
        opened.add(1.0, 30.0, 10.0)
    assert opened.amount() == pytest.approx(30.0)
    for _ in range(9):  # A half-life.
        opened.add(3.0, 30.0, 10.0)
    # Two now in the mean, a little more than one over the long past.
    assert opened.amount() == pytest.approx(60.0, rel=0.03)
    assert opened.amount() < 60.0  # type: ignore[operator]
    assert Opened(opened.state()).amount() == opened.amount()


@pytest.mark.parametrize("part", [Levels, Opened])
def test_a_state_of_another_length_is_refused(part: type[Levels | Opened]) -> None:
    for state in (bytes(8), bytes(8 * 40)):
        with pytest.raises(ValueError, match="numbers"):
            part(state)


def test_where_nobody_tells_of_sessions_nothing_is_held_or_said_of_them() -> None:
    opened = Opened()
    for told in (None, 0.0, None, 0.0):  # None opened before the first is no more than silence.
        opened.add(told, 30.0, 10.0)
    assert opened.state() == b""
    assert opened.amount() is None


def test_who_has_told_of_sessions_and_is_not_heard_says_nothing_after_a_while() -> None:
    opened = Opened()
    for _ in range(100):
        opened.add(2.0, 30.0, 10.0)
    amount = opened.amount()
    opened.add(None, 90.0, 10.0)
    assert opened.amount() == amount  # Of no average: nobody told.
    for _ in range(360):
        opened.add(None, 90.0, 10.0)
    assert opened.amount() is None
    opened.add(2.0, 30.0, 10.0)
    assert opened.amount() == amount


def test_a_crowd_before_sessions_were_missed_does_not_open_now() -> None:
    opened = Opened()
    for _ in range(2000):
        opened.add(1.0, 30.0, 10.0)
    for _ in range(6):
        opened.add(50.0, 30.0, 10.0)
    for _ in range(360):
        opened.add(0.0, 30.0, 10.0)
    assert opened.amount() is None
    opened.add(1.0, 30.0, 10.0)
    assert opened.amount() == pytest.approx(30.0, rel=0.05)


def test_a_day_that_nobody_tells_of_sessions_changes_little_of_what_they_amount_to() -> None:
    opened = Opened()
    for _ in range(17_280):
        opened.add(1.0, 30.0, 10.0)
    for _ in range(8_640):
        opened.add(0.0, 30.0, 10.0)
    for _ in range(60):
        opened.add(1.0, 30.0, 10.0)
    assert opened.amount() == pytest.approx(30.0, rel=0.05)


@pytest.mark.parametrize(("every", "silent_s"), [(1, 90.0), (60, 3600.0)])
def test_who_ceases_to_tell_of_sessions_does_not_say_that_none_opens(
    every: int, silent_s: float
) -> None:
    """Two in each step are missed after a minute or so; one in 10 minutes, after an hour."""
    opened = Opened()
    for step in range(2000):
        opened.add(2.0 if step % every == 0 else 0.0, 30.0, 10.0)
        assert opened.amount() is not None
    steps = 0
    while opened.amount() is not None:
        opened.add(0.0, 30.0, 10.0)
        steps += 1
    assert silent_s / 2 <= steps * 10.0 <= silent_s
    opened.add(2.0, 30.0, 10.0)
    assert opened.amount() is not None


def test_a_trend_goes_on_and_is_damped() -> None:
    levels = Levels()
    for step in range(360):
        levels.add(100.0 + step, 10.0)  # Rises by 0.1 a second.
    near, far, beyond = (levels.trend(s, 10.0) - 459 for s in (60.0, 600.0, 86_400.0))
    assert -12 < near < far < beyond
    assert far < 60  # A straight line would be there.
    assert beyond - far < far - near
    falling = Levels()
    for step in range(100):
        falling.add(max(100.0 - 2 * step, 0.0), 10.0)
    assert falling.trend(3600.0, 10.0) >= 0


def test_the_season_is_what_other_days_did_from_here() -> None:
    season = Season()
    assert season.day(0.0, 900.0) is None
    for minute in range(2 * 1440):
        at_s = minute * 60.0 + 30
        # A ramp each day, from 100 to 244; twice as high on the second day.
        slot = int(at_s % DAY_S) // SLOT_S
        season.add(at_s, (100.0 + slot) * (1 + int(at_s // DAY_S)))
    noon = 2 * DAY_S + 43_200.0
    change = season.day(noon, noon + 600.0)
    assert change == pytest.approx(1 / 172, rel=0.02)  # A share of the level, whatever the day's.
    long, zero = season.day(noon, noon + 6000.0), season.day(noon, noon)
    assert long == pytest.approx(10 / 177, rel=0.02)
    assert zero == 0
    assert Season(season.state()).state() == season.state()


def test_a_time_of_day_that_was_not_seen_is_not_told() -> None:
    season = Season()
    for minute in range(6 * 60):
        season.add(minute * 60.0 + 30, 5.0)
    assert season.day(DAY_S + 7200.0, DAY_S + 9000.0) == 0
    assert season.day(DAY_S + 7200.0, DAY_S + 40_000.0) is None


def test_weights_follow_herbster_and_warmuth() -> None:
    mixture = Mixture((0.5, 0.5))
    mixture.learn((0.0, 2.0), 0.0, overlap=4.0, kept=0.9)
    raw = 0.5 / (0.5 + 0.5 * math.exp(-RATE / 2 * 2.0))
    assert mixture.weights[0] == pytest.approx(0.9 * raw + 0.1 * 0.5)
    assert sum(mixture.weights) == pytest.approx(1.0)
    assert mixture.predict((1.0, 3.0)) == pytest.approx(3 - 2 * mixture.weights[0])
    with pytest.raises(ValueError, match="3 weights in place of 2"):
        Mixture((0.5, 0.5), Mixture((0.2, 0.3, 0.5)).state())


def test_who_sleeps_has_no_part_in_what_is_said_and_is_not_judged() -> None:
    asleep, pair = Mixture((0.25, 0.25, 0.5)), Mixture((0.5, 0.5))
    assert asleep.predict((4.0, 0.0, math.nan)) == pair.predict((4.0, 0.0)) == 2.0
    asleep.learn((4.0, 0.0, math.nan), 4.0, overlap=1.0, kept=1.0)
    pair.learn((4.0, 0.0), 4.0, overlap=1.0, kept=1.0)
    assert asleep.weights[2] == 0.5
    assert asleep.weights[0] + asleep.weights[1] == pytest.approx(0.5)
    assert asleep.predict((4.0, 0.0, math.nan)) == pytest.approx(pair.predict((4.0, 0.0)))
    assert asleep.predict((0.0, 0.0, 3.0)) == pytest.approx(1.5)


def test_the_best_expert_is_found_and_lost_again() -> None:
    mixture = Mixture((0.5, 0.5))
    for _ in range(200):
        mixture.learn((0.0, 1.0), 0.0, overlap=1.0, kept=0.99)
    assert mixture.weights[0] > 0.9
    for _ in range(40):
        mixture.learn((0.0, 1.0), 1.0, overlap=1.0, kept=0.99)
    assert mixture.weights[1] > 0.9  # A share kept it alive.


def test_quantiles_of_a_histogram_are_within_a_bin() -> None:
    residuals = Residuals()
    assert residuals.quantile(0.95) == 0
    for number in range(1000):
        residuals.add(number / 1000, 1e-6)
    for level in (0.5, 0.9, 0.95, 0.99):
        assert residuals.quantile(level) == pytest.approx(level, rel=0.06)  # Half a bin.
    assert Residuals(residuals.state()).quantile(0.9) == residuals.quantile(0.9)
    residuals.add(1e9, 1e-6)
    assert residuals.quantile(1.0) == pytest.approx(EDGES[-1])


def test_old_residuals_fade_by_half_in_half_a_day() -> None:
    residuals = Residuals()
    for _ in range(1000):
        residuals.add(0.0, 1e-6)
    for _ in range(500):
        residuals.add(5.0, 1e-6 if _ else 43_200.0)
    # Now 500 weigh as much as the older 1000: the middle is between them.
    assert residuals.quantile(0.49) < 0.5
    assert residuals.quantile(0.51) > 4


def test_a_year_of_residuals_overflows_nothing() -> None:
    residuals = Residuals()
    for _ in range(365 * 24):
        residuals.add(1.0, 3600.0)
    assert residuals.quantile(0.5) == pytest.approx(1.0, rel=0.2)


def test_scale_is_between_prior_and_misses_and_knows_the_root() -> None:
    spread = Spread()
    assert spread.scale(100.0, 100.0, 10.0).now == pytest.approx(25.0)
    for _ in range(5000):
        spread.add(10.0, 100.0, 10.0)
    now, day = spread.scale(100.0, 100.0, 10.0)
    assert now == pytest.approx(10.0, rel=0.01)
    assert day == pytest.approx(10.0, rel=0.01)
    # Four times the demand: one of three is twice as much, so 2 ** (1 / 3).
    assert spread.scale(400.0, 400.0, 10.0).now == pytest.approx(10 * 2 ** (1 / 3), rel=0.01)
    assert spread.scale(1e6, 0.0, 10.0).now == pytest.approx(1e4)  # A hundredth of demand.


def test_too_many_misses_widen_the_band_and_none_narrow_it() -> None:
    def after(*, missed: bool) -> float:
        bands = Bands()
        for number in range(2000):
            bands.add(number % 100 / 100, HERE, 1e-6)
        asked = bands.ask(HERE)
        for _ in range(200):
            actual = 50.0 if missed else -1.0
            bands.settle(actual, asked, overlap=1.0, kept=1.0)
        told = bands.quantile(0.95, HERE)
        assert told is not None
        return told

    assert after(missed=True) > 0.97
    assert after(missed=False) < 0.93


def test_conformal_correction_is_that_of_gibbs_and_candes() -> None:
    bands = Bands()
    for number in range(1000):
        bands.add(number / 1000, HERE, 1e-6)
    asked = bands.ask(HERE)
    assert asked.band == pytest.approx(ANCHORS, rel=0.06)
    bands.settle(2.0, asked, overlap=4.0, kept=1.0)  # Missed: rate 0.1 / 2 of (0.05 - 1).
    told = bands.quantile(0.95, HERE)
    assert told == pytest.approx(1 - 0.05 * (1 - 0.05 * 0.95), rel=0.02)


def test_of_two_answers_the_one_with_less_loss_counts_more() -> None:
    bands = Bands()
    for _ in range(300):
        asked = Asked((0.0,) * len(ANCHORS), near=5.0, plain=1.0)
        bands.add(0.9, Place(4.0, 1.0), 1e-6)
        bands.settle(0.9, asked, overlap=1.0, kept=0.999)
    told = bands.quantile(0.95, Place(4.0, 1.0))
    assert told == pytest.approx(0.9, abs=0.15)  # Plain: what it always was, about 0.9.
    assert Bands(bands.state()).quantile(0.95, Place(4.0, 1.0)) == told


def test_adwin_hears_means_and_tells_larger_misses_only() -> None:
    chance = random.Random(5)
    quiet, louder, quieter = Drift(), Drift(), Drift()
    for number in range(1200):
        miss = chance.random()
        assert not quiet.add(miss, 4.0)
        louder.add(miss * (4.0 if number > 600 else 1.0), 4.0)
        quieter.add(miss * (0.2 if number > 600 else 1.0), 4.0)
    assert louder.found >= 1
    assert quieter.found == 0
    theirs = drift.ADWIN(clock=1)
    for mean in quiet.state()[0]:
        theirs.update(mean / 255)
    assert theirs.width == len(quiet.state()[0]) == 300


def test_what_adwin_heard_is_bounded_and_hearing_it_again_is_the_same() -> None:
    chance = random.Random(6)
    one = Drift()
    for _ in range(MOST_MEANS + 200):
        one.add(chance.random(), 1.0)
    assert len(one.state()[0]) < MOST_MEANS
    two = Drift(one.state())
    for _ in range(400):
        miss = chance.random() * 3
        assert one.add(miss, 1.0) == two.add(miss, 1.0)
    assert one.state() == two.state()


def test_the_gate_has_hysteresis() -> None:
    gate = Gate()
    assert gate.trust(19)[0] == "cold"
    assert gate.trust(20)[0] == "predictive"
    gate.add(1.004, 1.0, 10.0)
    assert gate.trust(30) == ("predictive", "error 1.00 times the last value's")
    gate.add(1.08, 1.0, 10.0)
    assert gate.trust(30)[0] == "reactive"
    gate.add(0.9, 1.0, 10.0)
    assert gate.trust(30)[0] == "reactive"  # 0.995: no longer worse, not yet better.
    gate.add(0.8, 1.0, 10.0)
    assert gate.trust(30)[0] == "predictive"


@pytest.mark.parametrize("step_s", [10, 60])
def test_another_level_for_two_minutes_begins_averages_of_minutes_anew(step_s: int) -> None:
    levels, blind = Levels(), Levels()
    for at_s in range(0, 7200, step_s):
        value = 100.0 if at_s < 7200 - 120 else 300.0
        levels.add(value, float(step_s), 40.0)
        blind.add(value, float(step_s))
    minute, minutes5, minutes15, hour = levels.averages
    assert minute == minutes5 == minutes15 == pytest.approx(300.0)
    assert levels.trend(600.0, 10.0) == pytest.approx(300.0)  # That it rose to there is over.
    assert 100.0 < hour < 120.0
    assert blind.averages[1] < 150.0


@pytest.mark.parametrize("gap", [0, 6, 10])
def test_silence_is_no_time_at_another_level(gap: int) -> None:
    """Two odd steps of ten seconds are not two minutes, however long nobody spoke before them."""
    levels = Levels()
    for _ in range(800):
        levels.add(100.0, 10.0, 40.0, 10.0)
    levels.add(300.0, 10.0 * (gap + 1), 40.0, 10.0)
    levels.add(300.0, 10.0, 40.0, 10.0)
    assert levels.averages[2] < 200.0
    shifted = Levels(levels.state())
    for _ in range(10):
        shifted.add(300.0, 10.0, 40.0, 10.0)
    assert shifted.averages[2] == pytest.approx(300.0)


def test_neither_one_odd_step_nor_noise_on_both_sides_is_another_level() -> None:
    levels = Levels()
    for step in range(120):
        levels.add(300.0 if step == 60 else 100.0, 60.0, 40.0)
    assert levels.averages[1] == pytest.approx(100.0, rel=0.01)
    blind = Levels()
    for step in range(120):
        for one, unusual in ((levels, 40.0), (blind, math.inf)):
            one.add(200.0 if step % 2 else 20.0, 60.0, unusual)
    assert levels.averages[1] == pytest.approx(blind.averages[1], rel=0.01)


def test_levels_go_on_from_their_state_in_the_middle_of_a_shift() -> None:
    one = Levels()
    for step in range(61):
        one.add(300.0 if step == 60 else 100.0, 60.0, 40.0)
    two = Levels(one.state())
    for levels in (one, two):
        levels.add(310.0, 60.0, 40.0)
    assert two.state() == one.state()
    assert one.averages[1] > 300.0
