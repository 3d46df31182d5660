"""Composition of request traces."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.traces import Arrival, open_trace
from lab.traces.requests import (
    compose,
    flash,
    outage,
    scale,
    shift,
    step10x,
    tenants,
    warp,
)


def poisson(rate: float, length_s: float, seed: int) -> tuple[Arrival, ...]:
    chance = random.Random(seed)
    at, found = 0.0, []
    while (at := at + chance.expovariate(rate)) < length_s:
        found.append(Arrival(at_s=at, tokens_in=chance.randrange(9000), tokens_out=1))
    return tuple(found)


TRACE = poisson(5.0, 1000.0, 1)
"""About 5,000 requests."""


def between(trace: tuple[Arrival, ...], begin: float, end: float) -> int:
    return sum(begin <= arrival.at_s < end for arrival in trace)


def test_tenants_are_labelled_and_in_order() -> None:
    found = tenants({"a": TRACE[:10], "b": TRACE[5:12]})
    assert [a.at_s for a in found] == sorted(a.at_s for a in (*TRACE[:10], *TRACE[5:12]))
    assert sum(a.tenant == "a" for a in found) == 10
    assert sum(a.tenant == "b" for a in found) == 7


def test_warp_divides_the_rate_and_keeps_the_shape() -> None:
    found = warp(TRACE, 2.0)
    assert [a.at_s for a in found] == [2 * a.at_s for a in TRACE]


def test_shift_turns_the_trace() -> None:
    found = shift(TRACE, 400.0)
    assert len(found) == len(TRACE)
    assert between(found, 400.0, 1000.0) == pytest.approx(between(TRACE, 0.0, 600.0), abs=1)
    assert 0 <= found[0].at_s <= found[-1].at_s <= TRACE[-1].at_s
    assert shift((), 3.0) == ()


@pytest.mark.parametrize("factor", [0.25, 1.0, 1.5, 3.0])
def test_scale_multiplies_the_rate_everywhere(factor: float) -> None:
    """Five windows of 200 s, each within 4 deviations of its 1,000 requests' choice and jitter."""
    found = scale(TRACE, factor, seed=2)
    if factor == 1.0:
        assert found == TRACE
    for begin in range(0, 1000, 200):
        expected = factor * between(TRACE, begin, begin + 200.0)
        chance = (factor % 1) * (1 - factor % 1) * 1000
        across = 2 * factor * 5.0 * 30.0 / 2  # What jitter carries over two borders.
        assert between(found, begin, begin + 200.0) == pytest.approx(
            expected, abs=4 * (chance + across) ** 0.5
        )
    lengths = {a.tokens_in for a in TRACE}
    assert all(a.tokens_in in lengths for a in found)
    assert all(0 <= a.at_s <= TRACE[-1].at_s for a in found)


def test_a_flash_crowd_rises_stays_and_ends() -> None:
    found = flash(TRACE, at_s=400.0, length_s=200.0, factor=4.0, seed=1, rise_s=100.0)
    assert between(found, 0.0, 400.0) == between(TRACE, 0.0, 400.0)
    assert between(found, 600.0, 2000.0) == between(TRACE, 600.0, 2000.0)
    # While it rises the mean is (1 + 4) / 2 times: a deviation is about that of 500 choices.
    assert between(found, 400.0, 500.0) == pytest.approx(2.5 * 500, rel=0.12)
    assert between(found, 500.0, 600.0) == pytest.approx(4 * 500, rel=0.12)


def test_step10x_is_ten_times_from_the_middle_to_the_end() -> None:
    found = step10x(TRACE, seed=1)
    middle = TRACE[-1].at_s / 2
    assert between(found, 0.0, middle) == between(TRACE, 0.0, middle)
    assert len(found) - between(found, 0.0, middle) == 10 * (
        len(TRACE) - between(TRACE, 0.0, middle)
    )


def test_an_outage_is_silent_and_then_a_herd() -> None:
    found = outage(TRACE, at_s=300.0, length_s=100.0, seed=1, returning=0.5)
    assert between(found, 300.0, 400.0) == 0
    missed = between(TRACE, 300.0, 400.0)
    herd = between(found, 400.0, 410.0) - between(TRACE, 400.0, 410.0)
    assert herd == pytest.approx(missed / 2, abs=4 * (missed / 4) ** 0.5)
    assert between(found, 410.0, 2000.0) == between(TRACE, 410.0, 2000.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_composition_is_its_seed_s_in_order_and_told(seed: int) -> None:
    traces = (TRACE[:400], poisson(0.5, 600.0, 4))
    made = compose(traces, seed=seed)
    assert made == compose(traces, seed=seed)
    assert all(a.at_s <= b.at_s for a, b in itertools.pairwise(made.trace))
    named = {a.tenant for a in made.trace}
    assert named <= {f"tenant-{n}" for n in range(1, 5)}
    assert sum(line.startswith("tenant-") for line in made.story) in (2, 3, 4)
    assert made.trace
    assert made.trace[0].at_s >= 0


def test_seeds_make_different_compositions_of_the_shipped_trace() -> None:
    made = [compose([open_trace()], seed=seed) for seed in range(1, 5)]
    assert len({composition.trace for composition in made}) == 4
    stories = [line for composition in made for line in composition.story]
    assert any("flash crowd" in line for line in stories)


@pytest.mark.parametrize(
    "make",
    [
        lambda: warp(TRACE, 0.0),
        lambda: scale(TRACE, float("nan"), seed=1),
        lambda: flash(TRACE, at_s=0.0, length_s=1.0, factor=0.5, seed=1),
        lambda: outage(TRACE, at_s=0.0, length_s=1.0, seed=1, returning=2.0),
        lambda: compose([], seed=1),
        lambda: compose([()], seed=1),
        lambda: compose([TRACE], seed=1, tenants_most=1),
    ],
)
def test_nonsense_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"expected|empty"):
        make()  # type: ignore[operator]
