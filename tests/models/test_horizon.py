"""Horizon: start-ups by variant, and how soon a changed release is followed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.blocks import BlockFold
from models.domain.spec import AgentScaler
from models.domain.telemetry import ReplicaReport
from models.horizon import KEPT, PRIOR_S, VARIANTS, StartUp, since_change
from models.merge import Merge
from models.scaler import Scaler
from tests.models.folding import fold_one

W = "prod/bot"


def told(seconds: list[float], variant: str = "default") -> StartUp:
    start_up = StartUp()
    for value in seconds:
        start_up.observe(value, variant)
    return start_up


def test_the_prior_until_any_was_seen_then_the_90th_percentile() -> None:
    assert StartUp().seconds() == PRIOR_S
    assert told([7.0]).seconds() == 7.0
    assert told([float(10 * n) for n in range(1, 11)]).seconds() == 90.0


def test_by_hand() -> None:
    # 4 against 20, all below: 40 of 80 pairs off, spread sqrt(80 * 25 / 12) = 12.9, 3.1 of it.
    assert since_change([60.0] * 20 + [20.0] * 4) == 4
    assert since_change([60.0] * 20 + [20.0] * 3) == 23
    assert since_change([60.0] * 30) == 30


def log_normal(chance: random.Random, median: float, count: int) -> list[float]:
    """As the published start-up of a base model: median and 95th percentile are a factor of 2."""
    return [median * 2 ** (chance.gauss(0, 1) / 1.645) for _ in range(count)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("factor", [3.0, 1 / 3])
def test_a_changed_release_is_followed_within_ten_starts(seed: int, factor: float) -> None:
    chance = random.Random(seed)
    start_up = told(log_normal(chance, 60.0, 40))
    assert 70 <= start_up.seconds() <= 180
    for value in log_normal(chance, 60.0 * factor, 10):
        start_up.observe(value)
    # The 90th percentile of such a one is 1.7 times its median.
    assert 0.8 * factor * 60 <= start_up.seconds() <= 3.2 * factor * 60


def test_noise_alone_seldom_shortens_the_memory() -> None:
    chance = random.Random(1)
    start_up, shortened = StartUp(), 0
    for value in log_normal(chance, 60.0, 2000):
        before = len(start_up.seen.get("default", ()))
        start_up.observe(value)
        shortened += len(start_up.seen["default"]) < min(before, KEPT)
    assert shortened <= 40  # 2 % of starts; what is kept is still the newest 4 to 10.


def test_the_slowest_of_the_variants_that_may_grow() -> None:
    start_up = told([20.0], "a100")
    start_up.observe(90.0, "h100")
    assert start_up.seconds(["a100"]) == 20.0
    assert start_up.seconds(["a100", "h100"]) == 90.0
    assert start_up.seconds(["new"]) == 90.0
    assert start_up.seconds() == 90.0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 30)), max_size=200))
def test_memory_is_bounded_and_goes_on_alike(rows: list[tuple[float, int]]) -> None:
    start_up = StartUp()
    for value, variant in rows:
        start_up.observe(value, f"v{variant}")
    assert len(start_up.seen) <= VARIANTS
    assert all(1 <= len(held) <= KEPT for held in start_up.seen.values())
    again = StartUp(start_up.seen)
    for one in (start_up, again):
        one.observe(5.0, "v1")
    assert again.seen == start_up.seen
    assert again.seconds() == start_up.seconds()


def test_the_variant_of_a_start_comes_all_the_way_to_the_horizon() -> None:
    folder, merge = BlockFold(0), Merge(lateness_s=1.0)

    def report(at: float, variant: str | None, *started_s: float) -> ReplicaReport:
        named = {} if variant is None else {"variant": variant}
        return ReplicaReport(
            v=1, workload=W, at=at, desired=2, ready=2, started_s=started_s, **named
        )

    fold_one(folder, 0, 1000, [report(5.1, None, 10.0), report(5.2, "h100", 90.0, 91.0)])
    (partial,) = folder.drain()
    assert partial.started_s == (10.0, 90.0, 91.0)
    assert partial.started_of == ("default", "h100", "h100")
    merged = merge.add(partial)
    assert merged is not None
    fold_one(folder, 1, 1000, [report(5.3, "a100", 40.0)])
    merged = merge.add(folder.drain()[0])
    assert merged is not None
    assert merged.window.start_up.seen == {
        "default": [10.0],
        "h100": [90.0, 91.0],
        "a100": [40.0],
    }
    spec = {
        "variants": [
            {"name": "a100", "target": {"name": "a"}},
            {"name": "h100", "target": {"name": "h"}, "max": 2},
        ]
    }
    found = AgentScaler.model_validate({"metadata": {"name": "bot"}, "spec": spec})
    # The h100 is at its maximum: it is not what will be waited for.
    assert Scaler(W, found.spec, merged.window).horizon_s == 50.0


def test_the_default_variant_alone_is_not_named() -> None:
    folder = BlockFold(0)
    told_ = ReplicaReport(v=1, workload=W, at=5.0, desired=1, ready=1, started_s=(3.0,))
    fold_one(folder, 0, 1000, [told_])
    assert folder.drain()[0].started_of == ()
