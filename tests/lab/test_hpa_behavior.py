"""HPA with ``behavior`` against numbers worked out by hand from the published algorithm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.policies import SCALE_DOWN, SCALE_UP, Behavior, Hpa, RatePolicy, Rules, View


def view(now: float, desired: int, use: float | None) -> View:
    return View(now=now, desired=desired, ready=desired, use_ratio=use)


def hpa(behavior: Behavior, *, target: float = 0.1, most: int = 1000) -> Hpa:
    return Hpa(target=target, least=1, most=most, behavior=behavior)


def pods(value: int, period_s: float) -> RatePolicy:
    return RatePolicy(type="Pods", value=value, period_s=period_s)


def percent(value: int, period_s: float) -> RatePolicy:
    return RatePolicy(type="Percent", value=value, period_s=period_s)


def up(*policies: RatePolicy) -> Rules:
    return replace(SCALE_UP, policies=policies)


def down(*policies: RatePolicy, window_s: float = 0.0) -> Rules:
    return replace(SCALE_DOWN, policies=policies, window_s=window_s)


def test_default_rules_add_four_or_double_in_15_s() -> None:
    assert hpa(Behavior()).desired(view(0.0, 2, 1.0)) == 6  # 2 + 4 beats 2 * 2
    assert hpa(Behavior()).desired(view(0.0, 10, 1.0)) == 20  # doubling beats + 4


def test_the_default_down_window_is_the_controllers_and_its_edge_is_outside() -> None:
    controller = hpa(Behavior(), target=0.7)
    assert controller.desired(view(0.0, 10, 0.7)) == 10
    for now in range(15, 300, 15):
        assert controller.desired(view(float(now), 10, 0.07)) == 10
    assert controller.desired(view(300.0, 10, 0.07)) == 1


def test_a_remembered_wish_holds_but_does_not_lift() -> None:
    # As in test_hpa.py, where without behavior the wish for 25 lifts to 20 and then to 25.
    controller = hpa(Behavior(), target=0.2)
    assert controller.desired(view(0.0, 5, 1.0)) == 10
    assert controller.desired(view(15.0, 10, 0.2)) == 10
    # And the wish for 5 at 30 s is held at 10, not at 25.
    assert controller.desired(view(30.0, 10, 0.1)) == 10


def test_rate_of_pods_over_a_period() -> None:
    controller = hpa(Behavior(scale_up=up(pods(3, 60.0))))
    assert controller.desired(view(0.0, 5, 1.0)) == 8
    # The period began with 8 - 3 = 5, so still 8.
    assert controller.desired(view(15.0, 8, 1.0)) == 8
    assert controller.desired(view(45.0, 8, 1.0)) == 8
    # What happened exactly a period ago is outside of it: 8 + 3.
    assert controller.desired(view(60.0, 8, 1.0)) == 11


def test_rate_of_percent_over_a_period_is_rounded_up() -> None:
    controller = hpa(Behavior(scale_up=up(percent(10, 60.0))))
    assert controller.desired(view(0.0, 12, 1.0)) == 14  # 13.2
    # At the begin of the period there were 12: still 14.
    assert controller.desired(view(30.0, 14, 1.0)) == 14
    assert controller.desired(view(60.0, 14, 1.0)) == 16  # 15.4


def test_the_policy_that_counts() -> None:
    two = (pods(4, 15.0), percent(100, 15.0))
    assert hpa(Behavior(scale_up=up(*two))).desired(view(0.0, 10, 1.0)) == 20
    least = replace(up(*two), select="Min")
    assert hpa(Behavior(scale_up=least)).desired(view(0.0, 10, 1.0)) == 14
    none = replace(up(*two), select="Disabled")
    assert hpa(Behavior(scale_up=none)).desired(view(0.0, 10, 1.0)) == 10


def test_rates_downwards() -> None:
    two = (pods(2, 60.0), percent(50, 60.0))
    most = hpa(Behavior(scale_down=down(*two)), target=0.5)
    assert most.desired(view(0.0, 11, 0.01)) == 5  # 11 / 2 = 5.5, cut
    # 5 + 6 removed = 11 at the period's begin, so 5 is the limit until 60 s, then 2.5, cut.
    assert most.desired(view(45.0, 5, 0.01)) == 5
    assert most.desired(view(60.0, 5, 0.01)) == 2
    least = hpa(Behavior(scale_down=replace(down(*two), select="Min")), target=0.5)
    assert least.desired(view(0.0, 11, 0.01)) == 9
    none = hpa(Behavior(scale_down=replace(down(*two), select="Disabled")), target=0.5)
    assert none.desired(view(0.0, 11, 0.01)) == 11


def test_what_was_removed_in_the_period_may_be_added_again() -> None:
    behavior = Behavior(scale_up=up(pods(1, 60.0)), scale_down=down(percent(100, 15.0)))
    controller = hpa(behavior, target=0.5)
    assert controller.desired(view(0.0, 10, 0.2)) == 4
    # The period began with 4 + 6 removed = 10, so up to 11.
    assert controller.desired(view(15.0, 4, 5.0)) == 11


def test_up_window_takes_the_lowest_wish() -> None:
    controller = hpa(Behavior(scale_up=replace(SCALE_UP, window_s=60.0)), target=0.5)
    assert controller.desired(view(0.0, 10, 0.5)) == 10
    # Wishes for 12 and 14, and the 10 of 0 s is in the window.
    assert controller.desired(view(15.0, 10, 0.6)) == 10
    assert controller.desired(view(30.0, 10, 0.7)) == 10
    # It has left it: 12, 14 and now 13.
    assert controller.desired(view(60.0, 10, 0.65)) == 12


def test_tolerance_per_direction() -> None:
    behavior = Behavior(
        scale_up=replace(SCALE_UP, tolerance=0.0),
        scale_down=replace(SCALE_DOWN, tolerance=0.3, window_s=0.0),
    )
    assert hpa(behavior, target=0.5).desired(view(0.0, 10, 0.51)) == 11  # 1.02: 10.2
    assert hpa(behavior, target=0.5).desired(view(0.0, 10, 0.35)) == 10  # 0.7: within 30 %
    assert hpa(behavior, target=0.5).desired(view(0.0, 10, 0.34)) == 7  # 0.68: 6.8


def test_bounds_cut_what_the_rules_allow() -> None:
    assert hpa(Behavior(), most=15).desired(view(0.0, 10, 1.0)) == 15
    low = Hpa(target=0.5, least=4, most=20, behavior=Behavior(scale_down=down(percent(100, 15.0))))
    assert low.desired(view(0.0, 10, 0.01)) == 4


def test_what_the_api_refuses() -> None:
    with pytest.raises(ValueError, match="value of a rate policy must be above 0, not 0"):
        pods(0, 15.0)
    with pytest.raises(ValueError, match="period_s must be above 0 and at most 1800, not 1801"):
        pods(1, 1801.0)
    with pytest.raises(ValueError, match="policies must have at least one"):
        Rules(window_s=0.0, policies=())
    with pytest.raises(ValueError, match="window_s must be 0 to 3600, not 3601"):
        replace(SCALE_UP, window_s=3601.0)
