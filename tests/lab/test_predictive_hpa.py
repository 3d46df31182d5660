"""Predictive HPA and its Holt-Winters against numbers worked out by hand."""

from __future__ import annotations

import pytest

from lab.policies import PredictiveHpa, View
from lab.policies.holt_winters import fewest, forecast, initial


def test_how_much_past_it_needs() -> None:
    assert fewest(6) == 16  # 10 trend values, 3 lost at each end
    assert fewest(3) == 12  # 1 lost at each end
    assert fewest(12) == 24  # two seasons
    with pytest.raises(ValueError, match="15 values are fewer than 16"):
        forecast([1.0] * 15, season=6, level=0.9, trend=0.9, seasonal=0.9)


def test_initial_states_of_a_line_and_a_season() -> None:
    # y = x + (-1, +1), x from 0 to 11.  The centred average of two, ends half: x itself, for x
    # from 1 to 10.  The line through those, the first at 1: 0 + 1 * x.  Left over: -1, +1.
    level, trend, seasons = initial([x + (1.0 if x % 2 else -1.0) for x in range(12)], 2)
    assert level == pytest.approx(0.0, abs=1e-9)
    assert trend == pytest.approx(1.0)
    assert seasons == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize(
    ("pattern", "season"), [([10.0, 20.0], 2), ([1.0, 2.0, 3.0], 3), ([2.0, 2.0, 2.0, 8.0], 4)]
)
def test_a_pure_season_goes_on(pattern: list[float], season: int) -> None:
    values = pattern * 6
    for smoothing in (0.1, 0.9):
        ahead = forecast(
            values, season=season, level=smoothing, trend=smoothing, seasonal=smoothing
        )
        assert ahead == pytest.approx(pattern[0])


def test_one_surprise() -> None:
    # (10, 20) six times: level 15, trend 0, seasons -5, +5, and all is as foreseen.  Then 10, and
    # 24 where 15 + 5 was foreseen, all factors 0.5:
    #   level 0.5 * (24 - 5) + 0.5 * 15 = 17; trend 0.5 * (17 - 15) = 1;
    #   season of the second: 0.5 * (24 - 15) + 0.5 * 5 = 7.
    values = [10.0, 20.0] * 6 + [10.0, 24.0]
    ahead = forecast(values, season=2, level=0.5, trend=0.5, seasonal=0.5)
    assert ahead == pytest.approx(17 + 1 - 5)
    # And after that 13, as foreseen: level 17 + 1, and the second place's season.
    ahead = forecast([*values, 13.0], season=2, level=0.5, trend=0.5, seasonal=0.5)
    assert ahead == pytest.approx(18 + 1 + 7)


def test_it_is_what_statsmodels_computes() -> None:
    # statsmodels 0.15.0, ExponentialSmoothing(trend="add", seasonal="add", seasonal_periods=...,
    # initialization_method="estimated").fit(smoothing_..., optimized=False).forecast(1).
    values = [3, 4, 6, 9, 7, 4, 4, 5, 8, 11, 8, 5, 5, 5, 9, 13, 9, 6, 6, 7]
    ahead = forecast(values, season=6, level=0.9, trend=0.9, seasonal=0.9)
    assert ahead == pytest.approx(13.010149571685535, rel=1e-12)
    values = [3, 8, 4, 9, 5, 11, 6, 2, 7, 12, 8, 3, 9, 4, 1]
    ahead = forecast(values, season=3, level=0.5, trend=0.1, seasonal=0.3)
    assert ahead == pytest.approx(6.222321796901459, rel=1e-12)


def counted(policy: PredictiveHpa, counts: list[int]) -> list[int]:
    """What it asks for while the HPA's count is ``counts``, with 10 replicas at each look.

    Target 0.5: a use of 5 % per wanted replica is 5n / 50 times 10 = n.
    """
    return [
        policy.desired(View(now=15.0 * sync, desired=10, ready=10, use_ratio=count * 0.05))
        for sync, count in enumerate(counts)
    ]


def test_it_goes_up_one_sync_ahead_of_the_season() -> None:
    policy = PredictiveHpa(target=0.5, least=1, most=20, down_window_s=0.0)
    season = [2, 2, 2, 8, 2, 2]
    wanted = counted(policy, season * 8)
    # Until there are 16 counts it is the HPA.
    assert wanted[:15] == (season * 3)[:15]
    # From then on the larger of now and next.
    following = [max(a, b) for a, b in zip(season * 8, (season * 9)[1:], strict=False)]
    assert wanted[15:] == following[15:48]


def test_the_window_holds_what_was_predicted() -> None:
    policy = PredictiveHpa(target=0.5, least=1, most=20)
    wanted = counted(policy, [2, 2, 2, 8, 2, 2] * 8)
    # An 8 (count or prediction) is never 300 s = 20 syncs away; before the first it is 2.
    assert wanted == [2, 2, 2] + [8] * 45


def test_up_at_most_to_four_or_double() -> None:
    policy = PredictiveHpa(target=0.1, least=1, most=100)
    assert policy.desired(View(now=0.0, desired=1, ready=1, use_ratio=1.0)) == 4
    policy = PredictiveHpa(target=0.1, least=1, most=100)
    assert policy.desired(View(now=0.0, desired=10, ready=10, use_ratio=1.0)) == 20
    policy = PredictiveHpa(target=0.1, least=1, most=15)
    assert policy.desired(View(now=0.0, desired=10, ready=10, use_ratio=1.0)) == 15


def test_no_metric_holds() -> None:
    policy = PredictiveHpa(target=0.5, least=1, most=20)
    assert policy.desired(View(now=0.0, desired=3, ready=0, use_ratio=None)) == 3
    assert policy.desired(View(now=0.0, desired=0, ready=0, use_ratio=None)) == 0


def test_whole_seasons_are_forgotten() -> None:
    policy = PredictiveHpa(target=0.5, least=1, most=20)
    counted(policy, [2] * 29)
    assert len(policy._counts) == 29  # four seasons and almost a fifth
    counted(policy, [2])
    assert len(policy._counts) == 24
