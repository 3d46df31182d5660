"""HPA against numbers worked out by hand from the published algorithm.

Without ``behavior``; tests/lab/test_hpa_behavior.py has it with one, and
tests/live/test_hpa_parity.py holds both to the real controller.
"""

from __future__ import annotations

import math

import pytest

from lab.policies import Hpa, Metric, View
from lab.policies.hpa_replicas import Target, Tolerances, from_pods


def hpa() -> Hpa:
    return Hpa(target=0.7, least=1, most=20)


def view(now: float, desired: int, use: float | None, ready: int | None = None) -> View:
    return View(now=now, desired=desired, ready=desired if ready is None else ready, use_ratio=use)


@pytest.mark.parametrize(
    ("desired", "use", "wanted"),
    [
        (5, 0.98, 7),  # 98 / 70 = 1.4, times 5
        (5, 0.76, 5),  # 76 / 70 = 1.086: within 10 %
        (5, 0.64, 5),  # 64 / 70 = 0.914: within 10 %
        (5, 0.77, 5),  # 77 / 70 = 1.1: still within, the edge is included
        (5, 0.7799, 5),  # 77.99 % is 77 % to the controller
        (5, 0.78, 6),  # 78 / 70 = 1.114, times 5 = 5.57
        (5, 0.63, 5),  # 63 / 70 = 0.9: still within
        (4, 1.0, 6),  # 1.43 times 4 = 5.7
        (1, 1.0, 2),
        (3, None, 3),  # no metrics: hold
    ],
)
def test_one_sync(desired: int, use: float | None, wanted: int) -> None:
    assert hpa().desired(view(0.0, desired, use)) == wanted


def test_up_at_most_to_four_or_double_in_a_sync() -> None:
    # Both want 100 / 10 = 10 times as many.
    assert Hpa(target=0.1, least=1, most=100).desired(view(0.0, 1, 1.0)) == 4
    assert Hpa(target=0.1, least=1, most=100).desired(view(0.0, 2, 1.0)) == 4
    assert Hpa(target=0.1, least=1, most=100).desired(view(0.0, 10, 1.0)) == 20


def test_a_wish_that_was_limited_is_remembered() -> None:
    # At 0 s 5 replicas wish for 25 and get 10.  At 15 s the use is on target, so the wish is 10;
    # the highest of the window is still 25, and without a behavior the controller goes there.
    controller = Hpa(target=0.2, least=1, most=100)
    assert controller.desired(view(0.0, 5, 1.0)) == 10
    assert controller.desired(view(15.0, 10, 0.2)) == 20
    assert controller.desired(view(30.0, 20, 0.2)) == 25


def test_unready_pods_use_nothing_when_scaling_up() -> None:
    # 4 ready at 1.0 and 4 unready: 4 / 8 = 0.5 of 0.7 turns the direction: hold.
    assert hpa().desired(view(0.0, 8, 1.0, ready=4)) == 8
    # 6 ready at 1.0 and 1 unready: 85 % / 70 % = 1.214, times 7 = 8.5.
    assert hpa().desired(view(0.0, 7, 1.0, ready=6)) == 9
    # 8 ready at 0.9 and 2 unready: 72 % / 70 % = 1.03, within 10 %: hold at 10.
    assert hpa().desired(view(0.0, 10, 0.9, ready=8)) == 10


def test_unready_pods_are_left_out_when_scaling_down() -> None:
    # 6 ready at 0.35 and 4 unready: 35 / 70 = 0.5 of the 6 ready = 3; after the window.
    controller = Hpa(target=0.7, least=1, most=20, down_window_s=0)
    assert controller.desired(view(0.0, 10, 0.35, ready=6)) == 3


def test_missing_pods_are_at_their_whole_request_when_scaling_down() -> None:
    # 6 at 0.35 and 4 without a metric, taken at 1.0: 610 % / 10 = 61 % of 70 % = 0.87, times 10.
    controller = Hpa(target=0.7, least=1, most=20, down_window_s=0, starting="missing")
    assert controller.desired(view(0.0, 10, 0.35, ready=6)) == 9
    # And at 0 when scaling up, as unready ones: 85 / 70 = 1.214, times 7.
    controller = Hpa(target=0.7, least=1, most=20, starting="missing")
    assert controller.desired(view(0.0, 7, 1.0, ready=6)) == 9


def test_missing_and_unready_pods_together() -> None:
    target, tolerances = Target.utilisation(0.5), Tolerances()
    # Up: 4 at 1.0, 1 unready, 1 missing: 400 % / 6 = 66 % of 50 % = 1.32, times 6 = 7.92.
    up = from_pods(target, tolerances, current=6, ready=4, unready=1, missing=1, mean_use=1.0)
    assert up == 8
    # Down: 4 at 0.2, 1 unready (left out), 1 missing (at 1.0): 180 % / 5 = 36 % of 50 % = 0.72,
    # times 5 = 3.6.
    down = from_pods(target, tolerances, current=6, ready=4, unready=1, missing=1, mean_use=0.2)
    assert down == 4
    # A target above the request: a missing pod counts as being at the target.  2 at 0.5 and 1
    # missing at 1.5 of 1.5: 250 % / 3 = 83 % of 150 % = 0.55, times 3 = 1.66.
    above = from_pods(
        Target.utilisation(1.5), tolerances, current=3, ready=2, unready=0, missing=1, mean_use=0.5
    )
    assert above == 2


def test_average_value_counts_in_thousandths() -> None:
    # 0.7799 against 0.7 is 779 / 700 = 1.113 in thousandths, 77 / 70 = 1.1 in percents.
    controller = Hpa(target=0.7, least=1, most=20, metric=Metric.VALUE)
    assert controller.desired(view(0.0, 5, 0.7799)) == 6  # 1.113 times 5 = 5.56
    # A missing pod is at the target, not at 1: 6 at 0.35 and 4 at 0.7 of 0.7 = 0.7, times 10.
    controller = Hpa(
        target=0.7, least=1, most=20, metric=Metric.VALUE, down_window_s=0, starting="missing"
    )
    assert controller.desired(view(0.0, 10, 0.35, ready=6)) == 7


def external(now: float, desired: int, demand: float | None, ready: int | None = None) -> View:
    count = desired if ready is None else ready
    return View(now=now, desired=desired, ready=count, use_ratio=None, demand=demand)


@pytest.mark.parametrize(
    ("demand", "ready", "wanted"),
    [
        (25.0, 5, 7),  # 25 / (4 * 5) = 1.25; 25 / 4 = 6.25
        (25.0, 1, 7),  # ready or not does not matter
        (22.0, 5, 5),  # 22 / 20 = 1.1: within
        (22.1, 5, 6),  # 1.105; 22.1 / 4 = 5.525
        (None, 5, 5),
    ],
)
def test_external_average_value(demand: float | None, ready: int, wanted: int) -> None:
    controller = Hpa(target=4.0, least=1, most=20, metric=Metric.EXTERNAL_AVERAGE)
    assert controller.desired(external(0.0, 5, demand, ready)) == wanted


def test_external_value_multiplies_the_ready_pods() -> None:
    controller = Hpa(target=20.0, least=1, most=20, metric=Metric.EXTERNAL_VALUE)
    assert controller.desired(external(0.0, 4, 30.0)) == 6  # 30 / 20 = 1.5, times 4
    controller = Hpa(target=20.0, least=1, most=20, metric=Metric.EXTERNAL_VALUE)
    assert controller.desired(external(0.0, 4, 30.0, ready=3)) == 5  # times 3 = 4.5


def test_down_only_after_300_s_of_lower_wishes() -> None:
    controller = hpa()
    assert controller.desired(view(0.0, 10, 0.7)) == 10
    for now in range(15, 301, 15):
        assert controller.desired(view(float(now), 10, 0.07)) == 10
    # At 315 s the wish for 10 has just left the window; 10 * 0.1 = 1 is all that is left.
    assert controller.desired(view(315.0, 10, 0.07)) == 1


def test_the_first_sync_wishes_for_what_it_finds() -> None:
    controller = hpa()
    assert controller.desired(view(0.0, 10, 0.07)) == 10
    assert controller.desired(view(15.0, 10, 0.07)) == 10


def test_an_outage_of_metrics_is_no_wish() -> None:
    # 10 at 0 s, then no metrics for 300 s: were holding a wish for 10, it would hold 300 s more.
    controller = hpa()
    controller.desired(view(0.0, 10, 0.07))
    for now in range(15, 301, 15):
        assert controller.desired(view(float(now), 10, None)) == 10
    assert controller.desired(view(315.0, 10, 0.07)) == 1


def test_bounds() -> None:
    controller = Hpa(target=0.7, least=3, most=4)
    assert controller.desired(view(0.0, 3, 1.0)) == 4
    # Outside of the bounds they decide alone, whatever the metric and the limits say.
    assert Hpa(target=0.7, least=9, most=20).desired(view(0.0, 1, 0.0)) == 9
    assert Hpa(target=0.7, least=1, most=5).desired(view(0.0, 30, 1.0)) == 5


def test_at_zero_scaling_is_disabled() -> None:
    assert Hpa(target=0.7, least=1, most=20).desired(view(0.0, 0, None)) == 0
    external_hpa = Hpa(target=4.0, least=1, most=20, metric=Metric.EXTERNAL_AVERAGE)
    assert external_hpa.desired(external(0.0, 0, 100.0)) == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="target must be above 0, not 0"):
        Hpa(target=0.0, least=1, most=2)
    with pytest.raises(ValueError, match=r"least must be 1 to most \(2\), not 0"):
        Hpa(target=0.7, least=0, most=2)


def test_percents_are_those_of_whole_thousandths() -> None:
    # 0.29 * 100 is 28.999... in floats; a pod at 290m of 1000m is at 29 %.
    assert Target.utilisation(0.58).ratio(0.29, 1) == 29 / 58
    assert math.floor(0.29 * 100) == 28
