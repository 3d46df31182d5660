"""Telemetry that was missing for a while: what nobody heard of is unknown, not zero."""

from __future__ import annotations

import pytest

from models.domain.load import PodGauge
from models.scaler import Scaler
from models.seconds import SPAN
from models.window import Window
from tests.models.fleets import BEGIN, W, agent, load_of

EACH = 40


def scaler(window: Window, **spec: object) -> Scaler:
    asked = agent(demand={"unit": "requests", "perReplica": 4}, **spec)
    return Scaler(W, asked.spec, window)


def live(one: Scaler, begin: int, end: int, finished: int = EACH) -> None:
    """Seconds ``begin`` to ``end``, each complete as soon as it is over."""
    for second in range(begin, end + 1):
        if finished:
            one.window.add(load_of(second, finished), None)
        one.close(second)


@pytest.mark.parametrize("silent_s", [10, 25, 60, 3600])
def test_after_seconds_without_a_word_demand_is_what_it_was(silent_s: int) -> None:
    one = scaler(Window())
    live(one, BEGIN, BEGIN + 1800)
    before = one.foresight.forecaster.outlook
    live(one, BEGIN + 1800 + silent_s + 1, BEGIN + 1800 + silent_s + 60)
    after = one.foresight.forecaster.outlook
    assert before is not None
    assert after is not None
    assert after.step > before.step
    assert after.last == after.centre == pytest.approx(EACH)


@pytest.mark.parametrize("silent_s", [25, 60])
def test_seconds_of_which_word_of_progress_came_are_zeros(silent_s: int) -> None:
    one = scaler(Window())
    live(one, BEGIN, BEGIN + 1800)
    live(one, BEGIN + 1801, BEGIN + 1800 + silent_s, finished=0)
    outlook = one.foresight.forecaster.outlook
    assert outlook is not None
    assert outlook.last == 0.0


def test_what_came_late_fills_the_seconds_and_nothing_is_unknown() -> None:
    """An aggregate that was down has read on: all of it is there, and complete at once."""
    one = scaler(Window())
    live(one, BEGIN, BEGIN + 600)
    for second in range(BEGIN + 601, BEGIN + 661):
        one.window.add(load_of(second, 80), None)
    assert one.close(BEGIN + 660)
    outlook = one.foresight.forecaster.outlook
    assert outlook is not None
    assert outlook.last == 80.0
    assert one.window.first == BEGIN + 660 - SPAN + 1


def test_of_pauses_shorter_than_a_step_nothing_is_unknown() -> None:
    window = Window()
    for second in range(BEGIN, BEGIN + 60, 5):
        window.add(load_of(second, EACH), None)
    assert window.missed(BEGIN + 20, BEGIN + 58) is None
    assert window.first == BEGIN


def test_a_pod_that_is_heard_of_is_a_word() -> None:
    window = Window()
    window.add(load_of(BEGIN, EACH), None)
    for second in range(BEGIN + 5, BEGIN + 60, 5):
        pods = {"p": PodGauge(at_us=second * 1_000_000, in_flight=0)}
        window.add(load_of(second, 0, pods=pods), None)
    assert window.missed(BEGIN + 1, BEGIN + 58) is None
    assert window.missed(BEGIN + 56, BEGIN + 70) == BEGIN + 71


def test_silence_that_nobody_told_of_does_not_count_towards_zero() -> None:
    one = scaler(Window(), replicas={"min": 0, "max": 9, "cooldownPeriodSeconds": 300})
    live(one, BEGIN, BEGIN + 100)
    live(one, BEGIN + 101, BEGIN + 200, finished=0)
    assert one.conditions.quiet_s(BEGIN + 200) == 100
    one.close(BEGIN + 500)
    assert one.conditions.quiet_s(BEGIN + 500) == 0
    live(one, BEGIN + 501, BEGIN + 520, finished=0)
    assert one.conditions.quiet_s(BEGIN + 520) == 20
