"""Past: orders that were carried out, and those that were not."""

from __future__ import annotations

import math

from models.past import Past
from tests.models.fleets import Driver


def test_an_order_that_was_not_carried_out_is_no_change() -> None:
    past = Past()
    assert past.since_s(50.0) == math.inf
    past.ordered(100.0, 4, 6, 60.0)
    assert past.done(4) == []
    assert past.done(6) == [(100.0, 4, 6)]
    past.ordered(130.0, 4, 7, 60.0)  # Still from 4: the one before is void.
    assert past.done(7) == [(130.0, 4, 7)]
    past.ordered(140.0, 7, 4, 60.0)
    past.ordered(150.0, 4, 7, 60.0)  # There and back are two changes.
    assert past.done(7) == [(130.0, 4, 7), (140.0, 7, 4), (150.0, 4, 7)]
    assert past.since_s(155.0) == 5.0
    past.ordered(195.0, 7, 8, 60.0)
    assert past.done(8) == [(140.0, 7, 4), (150.0, 4, 7), (195.0, 7, 8)]


def test_a_step_out_that_nobody_carries_out_is_said_again_in_full() -> None:
    driver = Driver(
        obey=False,
        replicas=4,
        behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 600}]}},
    )
    for _ in range(300):
        driver.second(60)
    wanted = [decision.to.replicas["default"] for decision in driver.decisions]
    assert wanted == [5, *[6] * 10]  # Every 30 s, for which a decision is valid.
