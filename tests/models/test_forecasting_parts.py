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
from models.forecasting.mixture import RATE, Mixture
from models.forecasting.residuals import EDGES, Residuals
from models.forecasting.season import DAY_S, SLOT_S, Season
from models.forecasting.spread import Spread
from models.forecasting.trust import Gate

HERE = Place(0.0, 1.0)


def test_what_is_kept_is_a_half_after_a_half_life() -> None:
    assert keep(60.0, 60.0) == 0.5
    assert keep(60.0, 10.0) ** 6 == pytest.approx(0.5)


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
