"""Whose requests a step's were: exact sums of partials, bounded, and demand by tenant."""

from __future__ import annotations

import random

import pytest

from models.demand import DemandMeter
from models.domain.load import Load, Progress, SourceProgress
from models.grid import STEP_S, phase_of
from models.merge import Merge
from models.shares import KEPT, Shares
from models.sums import MAX_TENANTS, OTHER_TENANTS
from models.window import Window
from tests.models.fleets import W, load_of

PHASE = phase_of(W)
BEGIN = 1_700_000_000 + PHASE


def load(
    second: int,
    tenants: dict[str, int],
    *,
    block: int = 0,
    reach: int = 0,
    finished: int | None = None,
) -> Load:
    """A partial; ``finished`` is of all, None: of those who are named."""
    finished = sum(tenants.values()) if finished is None else finished
    return load_of(second, finished, block=block, reach=reach, tenants=tenants)


def metered(window: Window) -> DemandMeter:
    return DemandMeter(window, "requests", patience_s=10.0, phase=PHASE)


@pytest.mark.parametrize("seed", range(5))
def test_partials_in_any_order_and_twice_give_the_same_counts(seed: int) -> None:
    chance = random.Random(seed)
    partials = []
    for block in range(6):
        first = {"a": chance.randrange(5), "b": 1}
        more = {"a": first["a"] + 2, "b": 1, "c": 4}
        second = BEGIN + block * 3
        partials += [load(second, first, block=block, reach=1)]
        partials += [load(second, more, block=block, reach=2)]
    finals = [partial for partial in partials if partial.reach == 2]
    told = partials * 2
    chance.shuffle(told)
    one, other = Merge(lateness_s=1.0), Merge(lateness_s=1.0)
    for partial in told:
        one.add(partial)
    for partial in finals:
        other.add(partial)
    for step in range(3):
        begin = BEGIN + step * STEP_S
        assert one.window(W).tenants(begin) == other.window(W).tenants(begin)
    assert other.window(W).tenants(BEGIN) == {
        name: sum(partial.tenants.get(name, 0) for partial in finals[:4]) for name in "abc"
    }


def test_a_restart_between_two_partials_of_a_block_counts_nothing_twice() -> None:
    lived, merge = Merge(lateness_s=1.0), Merge(lateness_s=1.0)
    lived.add(load(BEGIN, {"a": 3}, reach=1))
    state = lived.window(W).state()
    partials = lived.open_partials({W})[W]
    merge.restore_window(W, Window.restored(state), partials)
    for each in (lived, merge):
        each.add(load(BEGIN, {"a": 5, "b": 1}, reach=2))
        assert each.window(W).tenants(BEGIN) == {"a": 5, "b": 1}
        each.progress(
            Progress(
                sources=1,
                progress=(SourceProgress(source=0, position=9, watermark=BEGIN + 9.0, done=9),),
            )
        )
        assert each.add(load(BEGIN, {"a": 9}, reach=3)) is None  # An echo of a block that is done.
    assert merge.window(W).state() == lived.window(W).state()


def test_steps_leave_and_names_are_bounded() -> None:
    shares = Shares()
    for step in range(KEPT + 2):
        begin = BEGIN + step * STEP_S
        shares.add(begin, {f"t{number:05d}": 2 for number in range(10_000)}, {})
        assert len(shares.of(begin)) == MAX_TENANTS + 1
        assert shares.of(begin)[OTHER_TENANTS] == 2 * (10_000 - MAX_TENANTS)
    assert len(shares.state()) == KEPT
    shares.add(BEGIN, {"late": 1}, {})
    assert shares.of(BEGIN) == {}
    assert Shares(shares.state()).state() == shares.state()


def test_a_source_that_is_a_minute_ahead_leaves_the_others_their_steps() -> None:
    window = Window()
    window.add(load(BEGIN + 60, {"a": 1}, block=1), None)
    window.add(load(BEGIN, {"b": 2}), None)
    assert window.tenants(BEGIN) == {"b": 2}
    assert window.tenants(BEGIN + 60) == {"a": 1}


def test_a_step_is_its_tenants_in_the_proportions_of_what_ended() -> None:
    window = Window()
    window.add(load(BEGIN, {"a": 10, "b": 20}), None)
    window.add(load(BEGIN + 5, {OTHER_TENANTS: 4}, block=1), None)
    window.add(load(BEGIN + 7, {}, block=2, finished=6), None)
    meter = metered(window)
    step = meter.last_step(BEGIN + STEP_S - 1)
    assert meter.end_of(step) == BEGIN + STEP_S
    found = meter.tenants(step, 80.0)
    assert found == pytest.approx({"a": 20.0, "b": 40.0, OTHER_TENANTS: 8.0})
    assert meter.tenants(step + 1, 5.0) is None  # Demand, and nobody knows whose.
    assert meter.tenants(step + 1, 0.0) == {}


def test_whose_demand_is_is_unknown_in_other_units_and_without_names() -> None:
    named, unnamed = Window(), Window()
    named.add(load(BEGIN, {"a": 1, "b": 1}), None)
    unnamed.add(load(BEGIN, {}), None)
    step = metered(named).last_step(BEGIN + STEP_S - 1)
    assert metered(unnamed).tenants(step, 0.0) is None
    for unit in ("tokens", "concurrency"):
        assert DemandMeter(named, unit, phase=PHASE).tenants(step, 2.0) is None  # type: ignore[arg-type]
