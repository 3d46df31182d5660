"""The source article's two rules against numbers worked out by hand."""

from __future__ import annotations

from collections import deque

import pytest

from lab.policies import ArticleLinear, ArticleSteps, View
from lab.policies.article import line_ahead


def view(desired: int, use: float | None) -> View:
    return View(now=0.0, desired=desired, ready=desired, use_ratio=use)


@pytest.mark.parametrize(
    ("desired", "use", "wanted"),
    [
        (10, 0.81, 12),  # times 1.2
        (10, 0.8, 10),  # over, not at
        (10, 0.5, 10),  # under, not at
        (10, 0.49, 8),  # times 0.8
        (1, 1.0, 2),  # 1.2, up
        (2, 0.0, 1),  # 1.6, down
        (15, 1.0, 18),  # 18 and not, by the last bit of a float, 19
        (10, None, 10),
    ],
)
def test_steps(desired: int, use: float | None, wanted: int) -> None:
    assert ArticleSteps(least=1, most=100).desired(view(desired, use)) == wanted


def test_steps_keep_to_the_bounds() -> None:
    assert ArticleSteps(least=1, most=11).desired(view(10, 1.0)) == 11
    assert ArticleSteps(least=9, most=11).desired(view(10, 0.0)) == 9


@pytest.mark.parametrize(
    ("values", "ahead"),
    [
        ([2.0, 4.0, 6.0], 8.0),
        ([3.0, 3.0, 3.0], 3.0),
        # Mean 2, slope ((-1) * 1 + 0 + 1 * 1) / 2 = 0: y = 1, 4, 1.
        ([1.0, 4.0, 1.0], 2.0),
        # Mean 2.5; sum of (x - 1.5) * y = -1.5 - 0.5 * 4 + 0.5 * 2 + 1.5 * 3 = 2; slope 2 / 5;
        # 2.5 steps beyond the middle: 2.5 + 1.
        ([1.0, 4.0, 2.0, 3.0], 3.5),
    ],
)
def test_a_line_one_step_ahead(values: list[float], ahead: float) -> None:
    assert line_ahead(deque(values)) == pytest.approx(ahead, abs=1e-12)


def test_linear_follows_what_was_needed() -> None:
    policy = ArticleLinear(least=1, most=100, history=3)
    # Needed: ready * use / 0.8.  10 * 0.16 = 1.6 is 2, 10 * 0.32 is 4, 10 * 0.48 is 6.
    assert policy.desired(view(10, 0.16)) == 10  # one look is no line
    assert policy.desired(view(10, 0.32)) == 6
    assert policy.desired(view(10, 0.48)) == 8
    assert policy.desired(view(10, None)) == 10
    # The 2 has left: 4, 6, 2 have mean 4 and slope -1, 2 steps beyond the middle.
    assert policy.desired(view(10, 0.16)) == 2


def test_linear_on_demand_sees_what_waits() -> None:
    # 1 replica of capacity 4 that is full: demand 8, then 16, is 2.5 and 5 replicas at 0.8; 7.5.
    policy = ArticleLinear(least=1, most=100, capacity=4.0)
    for demand, wanted in ((8.0, 1), (16.0, 8), (None, 1)):
        seen = View(now=0.0, desired=1, ready=1, use_ratio=1.0, demand=demand)
        assert policy.desired(seen) == wanted


def test_linear_keeps_to_the_bounds() -> None:
    policy = ArticleLinear(least=3, most=7, history=3)
    policy.desired(view(10, 0.16))
    assert policy.desired(view(10, 0.48)) == 7  # 2, 6: 10
    falling = ArticleLinear(least=3, most=7, history=3)
    falling.desired(view(10, 0.48))
    assert falling.desired(view(10, 0.16)) == 3  # 6, 2: -2


def test_a_line_needs_two_points() -> None:
    with pytest.raises(ValueError, match="history must be at least 2, not 1"):
        ArticleLinear(least=1, most=2, history=1)
    with pytest.raises(ValueError, match="capacity must be above 0, not 0"):
        ArticleLinear(least=1, most=2, capacity=0.0)
