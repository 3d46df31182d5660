"""The week: asleep until a week was seen, and then what no day can tell.

Steps are of 300 s, so that weeks are short; the weeks of work days are noisy on purpose.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise

import msgspec
import pytest

from models.forecasting import moves
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads
from models.forecasting.outlook import ForecasterState
from models.forecasting.season import DAY_S, SLOT_S, WEEK_S, Season

STEP_S = 300
DAY, WEEK = DAY_S // STEP_S, WEEK_S // STEP_S
AHEAD = 6
BEGIN = 1_700_000_000 // STEP_S
"""Not at the begin of a day, and less of a week."""


def fleet(steps: int, seed: int = 1) -> list[float]:
    """Days of work from 7 to 19 h, weekends at the night's level; each value about 5 % off.

    A day of work has 4.5 times the demand of one of the weekend.
    """
    chance = random.Random(seed)
    made = []
    for step in range(steps):
        share = step % DAY / DAY * 2 - 7 / 12
        works = step // DAY % 7 < 5 and 0 < share < 1
        level = 50.0 + (700.0 * math.sin(math.pi * share) ** 2 if works else 0.0)
        made.append(level * math.exp(0.05 * chance.gauss(0, 1)))
    return made


def closed(forecaster: Forecaster, values: list[float], first: int = 0) -> Forecaster:
    for step, value in enumerate(values, first):
        forecaster.close(BEGIN + step, value, Leads(), AHEAD)
    return forecaster


def silenced() -> Forecaster:
    """A forecaster whose week never says anything."""
    made = Forecaster(STEP_S)

    class Silent(Season):
        def week(self, from_s: float, to_s: float) -> None:
            del from_s, to_s

    made._season = Silent()
    return made


def told(season: Season, values: list[float], first_s: float = 0.0) -> Season:
    """A season that was told a value a slot."""
    for number, value in enumerate(values):
        season.add(first_s + (number + 0.5) * SLOT_S, value)
    return season


def test_a_move_is_told_finely_near_zero_and_unseen_is_not_zero() -> None:
    def back(move: float) -> float:
        codes = bytearray()
        owed = moves.blend(codes, 0, move, 0.0)
        found = moves.between(codes, 1, -1.0, 0.0)
        assert found is not None
        assert found + owed == pytest.approx(move)
        return found

    assert [back(move) for move in (0.0, 2.0, -2.0)] == [0.0, 2.0, -2.0]
    for move, near in ((0.001, 0.0007), (0.01, 0.003), (0.1, 0.014), (0.5, 0.04), (1.9, 0.09)):
        assert back(move) == pytest.approx(move, abs=near)
        assert back(-move) == -back(move)
    assert moves.between(bytearray(1), 1, -1.0, 0.0) is None
    assert moves.between(bytearray(), 1, -1.0, 0.0) is None


def test_rounding_does_not_add_up_from_slot_to_slot_nor_from_day_to_day() -> None:
    chance = random.Random(3)
    season, mean, exact = Season(), 100.0, [math.nan] * 144
    before = math.nan
    for slot in range(30 * 144):
        mean *= 1.002 if slot % 144 < 72 else 1 / 1.002  # Finer than codes are.
        value = mean * math.exp(0.0002 * chance.gauss(0, 1))
        season.add((slot + 0.5) * SLOT_S, value)
        move = 2 * (value - before) / (value + before)
        before, place = value, slot % 144
        exact[place] = move if math.isnan(exact[place]) else 0.5 * exact[place] + 0.5 * move
    season.add((30 * 144 + 0.5) * SLOT_S, mean)
    for first, last in ((1, 70), (10, 40), (71, 140), (2, 5)):
        found = season.day((first + 0.5) * SLOT_S, (last + 0.5) * SLOT_S)
        assert found == pytest.approx(sum(exact[first + 1 : last + 1]), abs=0.002)


def test_younger_weeks_count_more() -> None:
    season = Season()
    week = WEEK_S // SLOT_S
    for number, rise in enumerate((1.1, 1.1, 1.5)):
        values = [100.0] * (week - 1) + [100.0 * rise]
        told(season, values, number * WEEK_S)
    season.add(3 * WEEK_S + 1, 100.0)
    end = 4 * WEEK_S - SLOT_S / 2
    expected = (2 * 0.1 / 2.1 + 2 * 0.5 / 2.5) / 2
    assert season.week(end - SLOT_S, end) == pytest.approx(expected, abs=0.02)
    assert season.day(end - SLOT_S, end) == pytest.approx(0.2, abs=0.05)  # Two days on: faded.


def test_the_week_is_kept_from_the_second_day_on_and_knows_the_first() -> None:
    day = DAY_S // SLOT_S
    rising = [100.0 * 1.02**slot for slot in range(day)]
    season = told(Season(), rising)
    assert not season._week
    told(season, [50.0] * (7 * day), DAY_S)
    at = WEEK_S + 43_200.0  # Noon of the first day of the second week, at 50 until midnight.
    assert season.day(at, at + 1200) == pytest.approx(0, abs=0.002)
    assert season.week(at, at + 1200) is not None
    again = Season(season.state())
    assert again.state() == season.state()
    assert again.week(at, at + 1200) == season.week(at, at + 1200)


def test_an_hour_of_it_is_small_in_a_snapshot_and_a_year_is_bounded() -> None:
    chance = random.Random(2)
    sizes = []
    season = Season()
    for slot in range(52 * 1008):
        season.add((slot + 0.5) * SLOT_S, math.exp(0.3 * chance.gauss(0, 1)))
        if slot in (6, 144, 2 * 1008):
            sizes.append(len(season.state().codes))
    assert sizes[0] < 15
    assert sizes[1] < 145
    assert sizes[2] < 850  # 1,152 unfolded.
    assert len(season._day) == 144
    assert len(season._week) == 1008
    assert len(season.state().codes) < 850


@pytest.mark.parametrize("cut", [b"\xff\xff", None])
def test_a_state_that_is_not_whole_is_refused(cut: bytes | None) -> None:
    state = told(Season(), [1.0, 2.0, 5.0] * 60).state()
    broken = state._replace(codes=state.codes[:-3] if cut is None else cut)
    with pytest.raises(ValueError, match="folded moves"):
        Season(broken)


@pytest.mark.parametrize("gap_days", [0, 1, 3, 8, 30])
def test_after_a_gap_it_is_told_of_what_was_seen_and_of_nothing_else(gap_days: int) -> None:
    gap = gap_days * DAY_S
    season = told(Season(), [100.0] * 50 + [200.0] * 20)
    told(season, [100.0] * 20, 70 * SLOT_S + gap)
    place = 50 * SLOT_S  # Up, in the middle of the ramp.
    later = WEEK_S * (1 + gap // WEEK_S)
    up = season.week(later + place - SLOT_S / 2, later + place + SLOT_S / 2)
    if gap_days == 0:
        assert season.week(later + place, later + place + 600) is None  # Not a day old yet.
    else:
        assert up == pytest.approx(2 / 3, abs=0.05)
        assert season.week(later + 100 * SLOT_S, later + 101 * SLOT_S) is None
        quiet = later + gap % WEEK_S + 75 * SLOT_S
        assert season.week(quiet, quiet + 600) == 0
    assert Season(season.state()).state() == season.state()


def test_it_sleeps_for_a_week_and_then_speaks() -> None:
    values = fleet(WEEK + 20)
    forecaster = Forecaster(STEP_S)
    spoke = []
    for step, value in enumerate(values):
        forecaster.close(BEGIN + step, value, Leads(), AHEAD)
        if "week" in forecaster.experts():
            spoke.append(step)
    assert WEEK < spoke[0] <= WEEK + 1 + 2 * SLOT_S // STEP_S + 433 // STEP_S
    assert spoke == list(range(spoke[0], len(values)))  # And never sleeps again.


def test_until_then_forecasts_are_those_without_a_week_to_the_last_bit() -> None:
    values = fleet(2 * WEEK)
    ours, without = Forecaster(STEP_S), silenced()
    differ = []
    for step, value in enumerate(values):
        for forecaster in (ours, without):
            forecaster.close(BEGIN + step, value, Leads(), AHEAD)
        if "week" not in ours.experts():
            assert ours.outlook == without.outlook
            assert ours.quantile(0.95) == without.quantile(0.95)
            assert ours.experts() == without.experts()
        elif ours.outlook != without.outlook:
            differ.append(step)
    assert len(differ) > WEEK / 2


def test_the_week_is_silent_of_a_part_that_was_not_seen_a_week_ago() -> None:
    values = fleet(WEEK + 3 * DAY)
    forecaster = Forecaster(STEP_S)
    gone = range(2 * DAY, 3 * DAY)
    said = {}
    for step, value in enumerate(values):
        if step in gone:
            continue
        forecaster.close(BEGIN + step, value, Leads(), AHEAD)
        said[step] = "week" in forecaster.experts()
    inside = range(WEEK + 2 * DAY + 6, WEEK + 3 * DAY - 6)
    assert not any(said[step] for step in inside)
    assert all(said[step] for step in range(WEEK + DAY, WEEK + 2 * DAY - 12))


def test_looking_changes_nothing_and_a_restored_one_goes_on_to_the_last_bit() -> None:
    values = fleet(2 * WEEK + 300)
    one, quiet = (closed(Forecaster(STEP_S), values[: 2 * WEEK]) for _ in range(2))
    for _ in range(3):
        one._season.week(1e9, 1e9 + 900)
        one._season.day(1e9, 1e9 + 900)
        one.experts()
        one.state()
    raw = msgspec.msgpack.encode(one.state())
    assert raw == msgspec.msgpack.encode(quiet.state())
    two = Forecaster.restored(msgspec.msgpack.decode(raw, type=ForecasterState), STEP_S)
    for step in range(2 * WEEK, len(values)):
        for forecaster in (one, two):
            forecaster.close(BEGIN + step, values[step], Leads(), AHEAD)
        assert two.outlook == one.outlook
        assert two.experts() == one.experts()
        assert "week" in one.experts()
    assert msgspec.msgpack.encode(two.state()) == msgspec.msgpack.encode(one.state())


def _errors(forecaster: Forecaster, values: list[float]) -> dict[str, float]:
    """Sums of absolute errors by expert, and of the centre, from the third week on."""
    missed: dict[str, float] = {}
    said: list[dict[str, float]] = []
    for step, value in enumerate(values):
        if step >= 2 * WEEK + AHEAD:
            for name, centre in said[step - AHEAD].items():
                missed[name] = missed.get(name, 0.0) + abs(value - centre)
        forecaster.close(BEGIN + step, value, Leads(), AHEAD)
        assert forecaster.outlook is not None
        said.append({**forecaster.experts(), "centre": forecaster.outlook.centre})
    return missed


def test_where_weekends_are_not_weekdays_the_week_beats_the_day_and_the_forecast_gains() -> None:
    values = fleet(4 * WEEK)
    ours, without = _errors(Forecaster(STEP_S), values), _errors(silenced(), values)
    assert ours["week"] < 0.9 * ours["season"]
    assert ours["centre"] < 0.97 * without["centre"]
    assert "week" not in without


def test_where_all_days_are_alike_the_week_costs_next_to_nothing() -> None:
    values = [
        100.0 * (1.5 + math.sin(2 * math.pi * step / DAY)) * noise
        for step, noise in enumerate(
            math.exp(0.1 * random.Random(step).gauss(0, 1)) for step in range(4 * WEEK)
        )
    ]
    assert all(value > 0 for value, _ in pairwise(values))
    ours, without = _errors(Forecaster(STEP_S), values), _errors(silenced(), values)
    assert ours["centre"] < 1.01 * without["centre"]
