"""Day: what missed the SLO of a rolling day, to the hour."""

from __future__ import annotations

import random

import pytest

from models.sizing.day import DAY_S, HOUR_S, Day

STEP_S = 10
STEPS = HOUR_S // STEP_S
"""Of an hour."""

BEGIN = 170_000_000
"""A step's number that is no whole hour."""


def test_an_hour_of_loss_counts_for_a_day_and_then_no_more() -> None:
    day, told = Day(STEP_S), {}
    for step in range(BEGIN, BEGIN + 50 * STEPS):
        lost = BEGIN + 5 * STEPS <= step < BEGIN + 6 * STEPS
        day.add(step, 10.0 if lost else 0.0, 10.0)
        told[(step + 1 - BEGIN) / STEPS] = day.violated
    assert told[5] == 0.0
    assert told[6] == pytest.approx(1 / 6)
    for hours in (18, 24, 28):
        assert told[hours] == pytest.approx(1 / min(hours, 24), rel=0.05)
    for hours in (32, 40, 50):
        assert told[hours] == 0.0


def test_it_is_what_a_count_of_all_steps_says() -> None:
    chance = random.Random(4)
    day, every = Day(STEP_S), []
    step = BEGIN
    for number in range(30_000):
        step += 1 if chance.random() < 0.9995 else chance.randrange(1, 3 * DAY_S // STEP_S)
        ended = chance.random() * 100
        missed = ended * (chance.random() < 0.02)
        day.add(step, missed, ended)
        every.append((step, missed, ended))
        if number % 1000:
            continue
        hour = step // STEPS
        since = (hour - 24) * STEPS
        counted = [(missed, ended) for at, missed, ended in every if at >= since]
        share = sum(missed for missed, _ in counted) / sum(ended for _, ended in counted)
        assert day.violated == pytest.approx(share, rel=1e-5)
        again = Day.restored(STEP_S, day.state())
        assert again.violated == day.violated
        assert again.known(step) == day.known(step)


def test_how_much_of_the_day_is_known() -> None:
    day = Day(STEP_S)
    assert day.violated is None
    assert day.known(BEGIN) == 0.0
    day.add(BEGIN, 1.0, 2.0)
    assert day.known(BEGIN + 6 * STEPS - 1) == pytest.approx(0.25)
    assert day.known(BEGIN + 99 * STEPS) == 1.0
    day.clear()
    assert day.violated is None
    assert day.known(BEGIN) == 0.0


def test_a_state_of_another_form_is_refused() -> None:
    day = Day(STEP_S)
    day.add(BEGIN, 1.0, 2.0)
    day.add(BEGIN + STEPS, 1.0, 2.0)
    state = day.state()
    state = type(state)(state.hour, state.since, state.missed, state.ended, state.hours[:-4])
    with pytest.raises(ValueError, match="bytes"):
        Day.restored(STEP_S, state)
