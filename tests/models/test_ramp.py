"""A ramp's slope: two rises in a row, and the lesser of them goes on."""

from __future__ import annotations

import pytest

from models.sizing.ramp import Ramp

STEP_S = 10


@pytest.mark.parametrize(
    ("first", "then", "now"),
    [
        (5.0, 20.0, 255.0),  # Means a minute apart: 105, 140, 255.
        (20.0, 5.0, 270.0),  # 120, 235, 270.
    ],
)
def test_of_two_rises_the_lesser_is_what_goes_on(first: float, then: float, now: float) -> None:
    ramp, demand = Ramp(STEP_S), 100.0
    for _ in range(200):
        ramp.add(demand, 300.0)
    for step in range(14):
        demand += first if step < 7 else then
        ramp.add(demand, 300.0)
    # 35 a minute in either case, for five minutes.
    assert ramp.projected == pytest.approx(now + 5 * 35.0)
