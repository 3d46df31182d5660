"""Capacity: the fit, its bounds, relations of load and latency, exploring, release, unit."""

from __future__ import annotations

import itertools
import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.capacity.backlog import RECOVERY, Backlog
from models.capacity.exploring import EDGE_SLOTS, EXPLORE, MOST_TRIED, PATIENCE, Explorer
from models.capacity.isotonic import isotonic, lower, upper
from models.capacity.relation import BINS, Relation, RelationState
from models.capacity.release import LEAST_STEPS, ReleaseTest
from models.capacity.units import LONG, Choice

BUDGET = 0.01


def test_bounds_are_wilsons() -> None:
    # By hand: z = 1.645, z^2 = 2.706; 2.706 / 270.706 = 0.00999.
    assert upper(0, 268) == pytest.approx(0.01, abs=2e-5)
    assert upper(1, 268) == pytest.approx(0.01655, abs=1e-5)
    assert lower(5, 100) == pytest.approx(0.0245, abs=1e-4)
    assert (upper(0, 0), lower(0, 0), lower(0, 50)) == (1.0, 0.0, 0.0)


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_a_share_lies_within_its_bounds(share: float, count: float) -> None:
    over = share * count
    assert -1e-9 <= lower(over, count) <= over / count + 1e-9
    assert over / count - 1e-9 <= upper(over, count) <= 1 + 1e-9


def test_pooled_by_hand() -> None:
    assert isotonic([0, 3, 1, 8], [10, 10, 10, 10]) == [0, 0.2, 0.2, 0.8]
    assert isotonic([9, 0], [10, 90]) == pytest.approx([0.09, 0.09])


rows = st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 1e4)), min_size=1, max_size=24)


@given(rows)
def test_the_fit_rises_and_keeps_the_total(rows: list[tuple[float, float]]) -> None:
    over = [share * count for share, count in rows]
    count = [count for _, count in rows]
    fit = isotonic(over, count)
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(fit))
    total = sum(f * n for f, n in zip(fit, count, strict=True))
    assert total == pytest.approx(sum(over), rel=1e-9, abs=1e-9)


def filled(points: dict[float, tuple[float, float]]) -> Relation:
    relation = Relation()
    for load, (count, over) in points.items():
        relation.add(load, count, over, 0.0)
    return relation


def test_nothing_seen_proves_nothing() -> None:
    relation = Relation()
    assert relation.proven(BUDGET) is None
    assert relation.broken(BUDGET) is None
    assert relation.share(3.0) is None
    relation.add(5.0, 200, 0, 0.0)  # None of 200 is at most 1.3 %.
    assert relation.proven(BUDGET) is None
    relation.add(5.0, 100, 0, 0.0)
    assert relation.proven(BUDGET) == pytest.approx(5.0, rel=0.05)


def test_a_high_load_proves_lower_ones_and_a_low_one_proves_nothing_higher() -> None:
    low = filled({2.0: (10_000, 0), 8.0: (50, 0)})
    assert low.proven(BUDGET) == pytest.approx(2.0, rel=0.09)
    # 150 + 150 make one proof, of the lower of the two; up to its own bin's end at most.
    pooled = filled({4.0: (150, 0), 8.0: (150, 0)})
    assert pooled.proven(BUDGET) == pytest.approx(4.0, rel=0.09)


def test_slow_at_a_low_load_convicts_higher_ones() -> None:
    relation = filled({4.0: (1000, 0), 6.0: (300, 30), 9.0: (5, 0)})
    assert relation.broken(BUDGET) == pytest.approx(6.0, rel=0.05)
    fine = relation.proven(BUDGET)
    assert fine is not None
    assert 3.8 <= fine <= 4.4
    assert relation.share(9.0) == pytest.approx(30 / 305)


def test_the_capacity_of_a_known_curve() -> None:
    """Share slow = 1 / (1 + exp(-3 (load - 8))): 1 % at 8 - ln(99) / 3 = 6.47."""
    chance = random.Random(5)
    relation = Relation()
    for _ in range(2000):
        load = chance.uniform(3, 9)
        slow = sum(chance.random() < 1 / (1 + math.exp(-3 * (load - 8))) for _ in range(50))
        relation.add(load, 50, slow, 0.0)
    true = 8 - math.log(99) / 3
    assert relation.proven(BUDGET) == pytest.approx(true, rel=0.1)
    assert relation.broken(BUDGET) == pytest.approx(true, rel=0.15)


def test_what_fades_no_longer_counts() -> None:
    relation = filled({4.0: (1000, 0), 6.0: (100, 50)})
    relation.fade(0.5)
    assert relation.proven(BUDGET) is not None
    relation.fade(0.4)  # 200 are left.
    assert relation.proven(BUDGET) is None
    for _ in range(10):
        relation.fade(0.5)
    assert not relation.bins


loads = st.floats(1e-9, 1e7)


@given(st.lists(st.tuples(loads, st.floats(0.01, 50), st.floats(0, 1)), max_size=120))
def test_memory_is_bounded_and_state_goes_on_alike(
    rows: list[tuple[float, float, float]],
) -> None:
    relation = Relation()
    for load, count, share in rows:
        relation.add(load, count, share * count, math.log(load))
    assert len(relation.bins) <= BINS
    assert list(relation.bins) == sorted(set(relation.bins))
    packed = msgspec.msgpack.encode(relation.state())
    again = Relation.restored(msgspec.msgpack.decode(packed, type=RelationState))
    for held in (relation, again):
        held.add(7.0, 20, 1, 0.5)
        held.fade(0.9)
    assert again.state() == relation.state()
    assert again.judged(BUDGET) == relation.judged(BUDGET)


def test_of_too_many_bins_the_lowest_loads_go_and_high_ones_stay() -> None:
    relation = Relation()
    for at in range(40):
        relation.add(1.09**at, 50, 0, 0.0)
    assert relation.proven(BUDGET) == pytest.approx(1.09**34, rel=0.15)
    relation.add(0.01, 50, 0, 0.0)  # Fine at less is no news.
    assert relation.share(0.01) == 0.0
    relation.add(0.01, 50, 50, 0.0)  # Slow at less is.
    assert relation.broken(BUDGET) == pytest.approx(0.01, rel=0.05)


def test_a_state_of_the_wrong_shape_is_refused() -> None:
    state = filled({4.0: (100, 0)}).state()
    with pytest.raises(ValueError, match="bins"):
        Relation.restored(msgspec.structs.replace(state, over=b""))


def test_requests_that_are_slow_at_any_load_are_a_floor() -> None:
    relation = filled({1.0: (1000, 25), 1.5: (1000, 25), 2.1: (3000, 78), 4.0: (1000, 100)})
    judged = relation.judged(BUDGET)
    assert judged.floor == pytest.approx(0.025, abs=1e-6)
    assert judged.fine is not None
    assert 1.9 < judged.fine < 2.5
    assert judged.broken == pytest.approx(4.0, rel=0.05)


def test_an_overload_is_no_floor() -> None:
    """All that was ever seen is too much: half of it slow, or more at twice the load."""
    assert filled({4.0: (1000, 500), 8.5: (1000, 500)}).judged(BUDGET).floor == 0.0
    assert filled({4.0: (1000, 50), 8.5: (1000, 90)}).judged(BUDGET).floor == 0.0
    assert filled({4.0: (1000, 50)}).judged(BUDGET).floor == 0.0


def explored(late: float, load: float, slots: int = 200) -> tuple[Explorer, list[float]]:
    explorer = Explorer()
    tried = []
    for slot in range(slots):
        explorer.feel(slot, late, load, 5.0)
        if explorer.step(slot, load, 5.0, explorer.bounded(5.0, None, None)):
            tried.append(explorer.tried)
    return explorer, tried


def test_one_small_step_at_a_time_where_latency_is_far_under_the_slo() -> None:
    explorer, tried = explored(0.0, 5.0, 1 + 3 * PATIENCE)
    assert tried == pytest.approx([5.5, 6.05, 6.655])  # After 30, 60 and 90 slots.
    explorer, _ = explored(0.0, 5.0, 3000)
    assert explorer.bounded(5.0, None, None) == pytest.approx(5.0 * MOST_TRIED)


def test_no_step_where_latency_is_not_far_under_it_or_load_is_not_near_or_not_proven() -> None:
    assert explored(0.3, 5.0)[1] == []
    assert explored(0.0, 3.0)[1] == []
    assert explored(0.0, 5.0 * EXPLORE * 1.01)[1] == []


def test_never_beyond_what_was_too_much_nor_below_what_is_proven() -> None:
    explorer, _ = explored(0.0, 5.0, 3000)
    assert explorer.bounded(5.0, 6.0, None) == pytest.approx(6.0 / EXPLORE)
    assert explorer.bounded(5.0, None, None) == pytest.approx(6.0 / EXPLORE)  # It came back.
    assert explorer.bounded(7.0, None, None) == 7.0
    assert explorer.bounded(7.0, 6.0, None) == 6.0  # Where evidence disagrees: less.


def test_where_latency_comes_near_the_slo_the_edge_is_one_step_away_for_some_hours() -> None:
    explorer, tried = explored(0.0, 5.0, 200)
    assert tried[-1] > 8.0
    for slot in range(200, 230):
        explorer.feel(slot, 0.3, 5.0, 5.0)
    assert explorer.bounded(5.0, None, None) == pytest.approx(5.0 * EXPLORE)
    assert explorer.bounded(7.0, None, None) == 7.0  # What is proven counts.
    later = 230 + EDGE_SLOTS
    for slot in range(later, later + 60):
        explorer.feel(slot, 0.0, 7.0, 7.0)
    assert explorer.step(later + 60, 7.0, 7.0, 7.0)
    assert explorer.bounded(7.0, None, None) == pytest.approx(7.0 * EXPLORE)


def test_where_some_are_slow_at_any_load_what_load_adds_counts() -> None:
    """Heavy tails: 15 % are late always."""
    explorer = Explorer()
    for slot in range(100):
        explorer.feel(slot, 0.15, 5.0, 5.0, floor=True)
    assert explorer.step(100, 5.0, 5.0, 5.0)
    for slot in range(100, 200):
        explorer.feel(slot, 0.35, 5.0, 5.0, floor=True)
    assert not explorer.step(300, 5.0, 5.0, 5.0)


def residuals(chance: random.Random, mean: float, count: int) -> list[float]:
    return [chance.gauss(mean, 0.1) for _ in range(count)]


@pytest.mark.parametrize("seed", range(10))
def test_a_slower_release_is_noticed_within_two_minutes(seed: int) -> None:
    chance = random.Random(seed)
    test = ReleaseTest()
    assert [test.add(r) for r in residuals(chance, 0.0, 2000)] == [None] * 2000
    for step, residual in enumerate(residuals(chance, math.log(1.5), 30)):
        ratio = test.add(residual)
        if ratio is not None:
            assert step <= 12
            assert ratio == pytest.approx(1.5, rel=0.2)
            return
    pytest.fail("never noticed")


def test_a_minute_at_least() -> None:
    test = ReleaseTest()
    said = [test.add(math.log(1.5)) for _ in range(LEAST_STEPS)]
    assert said[:-1] == [None] * (LEAST_STEPS - 1)
    assert said[-1] == pytest.approx(1.5)


def test_a_faster_one_is_noticed_and_a_trifle_is_not() -> None:
    chance = random.Random(3)
    test = ReleaseTest()
    ratios = [test.add(r) for r in residuals(chance, -math.log(1.5), 30)]
    assert min(r for r in ratios if r is not None) == pytest.approx(1 / 1.5, rel=0.2)
    test = ReleaseTest()
    assert {test.add(r) for r in residuals(chance, math.log(1.1), 3000)} == {None}


def test_a_backlog_is_left_out_for_flows_alone_and_not_for_ever() -> None:
    units = ("concurrency", "requests", "tokens")
    backlog = Backlog()
    assert backlog.stale(units, [9, 9, 9], bad=True) == [False] * 3  # The overload itself.
    assert backlog.stale(units, [8, 4, 4], bad=True) == [False, True, True]
    assert backlog.stale(units, [8, 10, 4], bad=True) == [False, False, True]
    for _ in range(RECOVERY - 3):
        assert backlog.stale(units, [2, 4, 4], bad=True) == [False, True, True]
    assert backlog.stale(units, [2, 4, 4], bad=True) == [False] * 3
    assert backlog.stale(units, [2, 4, 4], bad=False) == [False] * 3
    assert backlog.stale(units, [1, 1, 1], bad=True) == [False] * 3


def test_the_unit_that_foretells_takes_over_and_stays() -> None:
    chance = random.Random(7)
    choice = Choice(3)
    taken = 0
    for slot in range(400):
        bad = chance.random() < 0.3
        # The second knows, the others know only how often.
        choice.add([0.15, 0.5 if bad else 0.0, 0.15], 25.0 if bad else 0.0, 50.0)
        if choice.best == 1:
            taken = slot
            break
    assert LONG <= taken + 1 <= 3 * LONG
    for _ in range(400):
        bad = chance.random() < 0.3
        choice.add([0.15, 0.5 if bad else 0.0, 0.15], 25.0 if bad else 0.0, 50.0)
    assert choice.best == 1


def test_units_that_are_as_good_do_not_take_turns() -> None:
    chance = random.Random(8)
    choice = Choice(3)
    for _ in range(3000):
        bad = chance.random() < 0.3
        shares = [min(max(chance.gauss(0.15, 0.02), 0), 1) for _ in range(3)]
        choice.add(shares, 25.0 if bad else 0.0, 50.0)
        assert choice.best == 0


def test_where_nothing_is_slow_nothing_is_chosen() -> None:
    choice = Choice(2)
    for _ in range(500):
        choice.add([0.0, 0.0], 0.0, 50.0)
    assert choice.state().losses == [0.0, 0.0]
    choice.add([None, 0.5], 5.0, 50.0)
    assert choice.state().losses == [0.0, 0.0]
