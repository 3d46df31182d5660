"""Wishes: a window's extremes, whatever was wished for, in constant memory."""

from __future__ import annotations

import random

import pytest

from models.policy import Wishes
from models.policy.wishes import MOST, NEAR

WINDOWS_S = (15.0, 60.0, 300.0, 1800.0, 3600.0)


@pytest.mark.parametrize("every_s", [0.05, 1.0, 7.0])
@pytest.mark.parametrize("course", ["falling", "rising", "a walk", "noise"])
def test_no_wish_is_missed_and_none_counts_for_an_eighth_too_long(
    course: str, every_s: float
) -> None:
    chance = random.Random(f"{course} {every_s}")
    wishes, told = Wishes(), []
    level = 20_000
    for number in range(9000):
        now = 1.7e9 + number * every_s
        level += {"falling": -1, "rising": 1, "a walk": chance.randint(-3, 3), "noise": 0}[course]
        wish = chance.randint(0, 1000) if course == "noise" else level
        wishes.add(now, wish)
        told.append((now, wish))
        assert max(len(wishes.highs), len(wishes.lows)) <= MOST
        if number % 500:
            continue
        for window_s in WINDOWS_S:
            surely = [wish for at, wish in told if at > now - window_s]
            longer_s = window_s * (1 + 1 / NEAR) + 1 / NEAR
            perhaps = [wish for at, wish in told if at > now - longer_s]
            highest, lowest = wishes.highest(now - window_s), wishes.lowest(now - window_s)
            assert highest is not None
            assert lowest is not None
            assert max(surely) <= highest <= max(perhaps)
            assert min(perhaps) <= lowest <= min(surely)
