"""Averages that fade, another level, and what opens with sessions: on any grid of steps."""

from __future__ import annotations

import math

import pytest

from models.forecasting.leads import Opened
from models.forecasting.levels import Levels


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
