"""Knative's KPA against numbers worked out by hand from its published algorithm.

Capacity 10 at 70 %: the target is 7 a replica.
"""

from __future__ import annotations

import pytest

from lab.policies import Kpa, View
from lab.policies.kpa_window import Buckets


def kpa(*, least: int = 1, most: int = 1000, burst_capacity: float = 211.0) -> Kpa:
    return Kpa(capacity=10.0, least=least, most=most, burst_capacity=burst_capacity)


def view(now: float, ready: int, demand: float | None, desired: int | None = None) -> View:
    count = ready if desired is None else desired
    return View(now=now, desired=count, ready=ready, use_ratio=None, demand=demand)


def steady(policy: Kpa, ready: int, demand: float, begin: int, end: int) -> list[int]:
    return [
        policy.desired(view(float(now), ready, demand, desired=ready))
        for now in range(begin, end, 2)
    ]


def test_a_part_of_a_window_is_averaged_over_that_part() -> None:
    buckets = Buckets(60)
    for second in range(6):
        buckets.record(second, 10.0 + second)
    assert buckets.mean(5) == 12.5  # (10 + ... + 15) / 6, not / 60


def test_values_scroll_out_of_the_window() -> None:
    buckets = Buckets(6)
    for second in range(7):
        buckets.record(second, float(second))
    assert buckets.mean(6) == 3.5  # (1 + ... + 6) / 6


def test_silence_is_left_out_at_the_end_and_zero_inside() -> None:
    buckets = Buckets(6)
    for second in range(6):
        buckets.record(second, float(second))
    # At 7 s the seconds 6 and 7 are silent and 0 and 1 are gone: (2 + 3 + 4 + 5) / 4.
    assert buckets.mean(7) == 3.5
    buckets.record(7, 10.0)
    # Now 6 is a gap, which counts: (2 + 3 + 4 + 5 + 0 + 10) / 6.
    assert buckets.mean(7) == 4.0
    assert not buckets.empty(13)
    assert buckets.mean(13) == 0.0
    assert buckets.empty(14)
    # A window of silence: everything starts anew.
    buckets.record(20, 9.0)
    assert buckets.mean(20) == 9.0


def test_a_mean_is_cut_to_six_decimals() -> None:
    buckets = Buckets(6)
    for second, value in enumerate((1.0, 0.0, 0.0)):
        buckets.record(second, value)
    assert buckets.mean(2) == 0.333333


def test_stable() -> None:
    assert steady(kpa(), 1, 6.9, 0, 20) == [1] * 10
    policy = kpa()
    assert policy.desired(view(0.0, 1, 6.0)) == 1
    assert policy.desired(view(2.0, 1, 12.0)) == 2  # (6 + 6 + 12 + 12) / 4 = 9; 9 / 7 = 1.3


def test_panic_at_twice_and_no_less_for_a_stable_window() -> None:
    policy = kpa()
    steady(policy, 1, 6.0, 0, 60)
    # 60 s: panic window 4 s of 6 and 2 s of 40: 104 / 6 = 17.3; / 7 = 2.5, so 3 of 1 replica.
    assert policy.desired(view(60.0, 1, 40.0)) == 3
    # 62 s: (2 * 6 + 4 * 40) / 6 = 28.7; / 7 = 4.1.
    assert policy.desired(view(62.0, 1, 40.0, desired=3)) == 5
    # 64 s: 40 / 7 = 5.7.
    assert policy.desired(view(64.0, 1, 40.0, desired=5)) == 6
    # With 6 ready and 6 in flight 1 replica is enough, but panic holds until one stable window
    # after the last look above the threshold (64 s).
    for now in range(66, 125, 2):
        assert policy.desired(view(float(now), 6, 6.0)) == 6, now
    # Over: the stable mean is 6 by now (the surge of 60 to 65 s has left), down by half a tick.
    assert policy.desired(view(126.0, 6, 6.0)) == 3
    assert policy.desired(view(128.0, 3, 6.0)) == 1


def test_below_twice_it_stays_stable() -> None:
    policy = kpa()
    # Ready 5 at 30: 30 / 7 = 4.3, 5.  More than one ready replica begins in panic, over at 62 s.
    steady(policy, 5, 30.0, 0, 64)
    # Panic window all 60: 60 / 7 = 8.6, 9 of 5 = 180 %.  Stable: 54 s of 30 and 6 s of 60 = 33.
    steady(policy, 5, 60.0, 64, 68)
    assert policy.desired(view(68.0, 5, 60.0)) == 5  # 33 / 7 = 4.7


def test_a_new_decider_keeps_what_it_finds() -> None:
    policy = kpa()
    for now in range(0, 62, 2):
        assert policy.desired(view(float(now), 8, 7.0)) == 8, now
    # 62 s: 60 s have passed, not only been reached; half of 8.
    assert policy.desired(view(62.0, 8, 7.0)) == 4


def test_at_most_a_thousand_times_up() -> None:
    policy = Kpa(capacity=1.0, least=0, most=10_000)
    assert policy.desired(view(0.0, 0, 5000.0)) == 1000


def test_no_metric_holds_and_is_not_zero() -> None:
    policy = kpa()
    steady(policy, 1, 7.0, 0, 60)
    assert policy.desired(view(120.0, 4, None)) == 4
    assert kpa().desired(view(0.0, 3, None)) == 3


def test_bounds() -> None:
    assert kpa(least=3).desired(view(0.0, 1, 1.0)) == 3
    assert kpa(most=4).desired(view(0.0, 1, 1000.0)) == 4


def test_to_zero_once_the_window_is_empty_with_the_activator_in_the_path() -> None:
    # One replica of capacity 10 has no spare 211, so the activator is in the path all the time.
    policy = kpa(least=0)
    steady(policy, 1, 7.0, 0, 60)
    # The stable mean falls to 0 when the last 7.0 (59 s) leaves: from 118 s on it is.
    for now in range(60, 118, 2):
        assert policy.desired(view(float(now), 1, 0.0)) == 1, now
    # 118 s: wish 0, ready / 2 = 0, active for a stable window: marked inactive; then zero.
    assert policy.desired(view(118.0, 1, 0.0)) == 1
    assert policy.desired(view(120.0, 1, 0.0)) == 0


def test_to_zero_only_after_the_grace_when_the_activator_was_not_in_the_path() -> None:
    policy = kpa(least=0, burst_capacity=0.0)
    steady(policy, 1, 7.0, 0, 60)
    for now in range(60, 148, 2):
        assert policy.desired(view(float(now), 1, 0.0)) == 1, now
    # In the path since the wish is 0 (118 s): 30 s are over at 148 s.
    assert policy.desired(view(148.0, 1, 0.0)) == 0


def test_no_zero_before_it_was_active_for_a_window() -> None:
    policy = kpa(least=0)
    # Ready at 0 s with nothing to do: one replica for 60 s, then inactive, then zero.
    assert steady(policy, 1, 0.0, 0, 60) == [1] * 30
    assert policy.desired(view(60.0, 1, 0.0)) == 1
    assert policy.desired(view(62.0, 1, 0.0)) == 0


def test_from_zero() -> None:
    policy = kpa(least=0)
    assert policy.desired(view(0.0, 0, 0.0)) == 0
    # 2 s: the mean of 0, 0, 20, 20 is 10; / 7 = 1.4.
    assert policy.desired(view(2.0, 0, 20.0)) == 2


def test_a_tick_looks_at_each_second_once() -> None:
    policy = kpa()
    assert policy.desired(view(0.0, 1, 0.0)) == 1
    policy.desired(view(2.0, 1, 14.0))
    # Asked again within the same second: (0 + 0 + 14 + 14) / 4 = 7 stays so.
    assert policy.desired(view(2.5, 1, 1000.0)) == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be above 0, not 0"):
        Kpa(capacity=0.0, most=2)
