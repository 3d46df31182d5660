"""The plant against the closed forms.

Each figure is the mean of 20 independent runs and must lie within 4 of its own standard errors of
theory (1 in 1,300 by Student's t with 19 degrees of freedom; the seed is fixed), and the nearest
wrong plant, one server or one place more, must be at least 5 away: so it would be found out.
"""

from __future__ import annotations

import math

import pytest

from lab.plant.theory import batch_exponential, mmck, processor_sharing_s
from lab.plant.validate import CASES, Case, examine


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_plant_agrees_with_theory_and_not_with_its_neighbour(case: Case) -> None:
    for row in examine(case, requests=4000):
        assert row.sigmas < 4, row
        assert row.sigmas_wrong > 5, row


def test_theory_by_hand() -> None:
    """M/M/1: rho waits, rho / (1 - rho) services each; Erlang C and B from their own formulas."""
    one = mmck(rate=0.5, mean_s=1.0, servers=1)
    assert (one.waits, one.wait_s, one.sojourn_s) == pytest.approx((0.5, 1.0, 2.0))
    terms = [4.0**k / math.factorial(k) for k in range(6)]
    erlang_b = terms[5] / sum(terms)
    erlang_c = (terms[5] * 5) / (sum(terms[:5]) + terms[5] * 5)
    assert mmck(rate=4.0, mean_s=1.0, servers=5, room=5).blocked == pytest.approx(erlang_b)
    five = mmck(rate=8.0, mean_s=0.5, servers=5)
    assert five.waits == pytest.approx(erlang_c)
    assert five.wait_s == pytest.approx(erlang_c * 0.5 / (5 - 4))
    # M/M/1/2 at rho 1: three states, equally likely; one in two that get in waits, one service.
    full = mmck(rate=1.0, mean_s=1.0, servers=1, room=2)
    assert (full.blocked, full.waits, full.wait_s) == pytest.approx((1 / 3, 0.5, 0.5))


def test_processor_sharing_by_hand() -> None:
    """1 / (mu - lambda); and a batch of one is M/M/1."""
    shared = processor_sharing_s(rate=0.6, iterations=100, iteration_s=lambda n: 0.01 * n)
    assert shared == pytest.approx(1 / (1 - 0.6))
    single = batch_exponential(rate=0.5, iterations=100, iteration_s=lambda n: 0.01 * n, slots=1)
    assert (single.waits, single.wait_s) == pytest.approx((0.5, 1.0))


def test_there_is_no_steady_state_beyond_capacity() -> None:
    with pytest.raises(ValueError, match="no steady state"):
        mmck(rate=2.0, mean_s=1.0, servers=1)
