"""An edge: a small scale-in that was taken back is not made again while as much is asked for."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from models.conditions import Conditions, ConditionsState
from models.domain.decision import Reason
from models.edge import HELD_MOST_S, HELD_S, NOWHERE, Asked, Edge
from models.fleet import Fleet
from models.policy.damping import damping
from models.policy.wishes import Wishes
from models.sizing import Sizing
from models.window import Window
from tests.models.fleets import W, agent
from tests.models.test_policy import after, context
from tests.models.test_policy_flapping import Change, simulated
from tests.models.test_sizing import stride

TOLERANCE = 0.05
AT = 1_000_000.0
HOUR = 3600


def asked(mean: float, newest: float | None = None) -> Asked:
    """Of replicas that serve 1 each."""
    newest = mean if newest is None else newest
    return Asked(mean, newest, math.ceil(newest))


def changed(edge: Edge, now: Asked, before: int, replicas: int, at: float = AT) -> Edge:
    return edge.after(at, now, before, replicas, TOLERANCE)


TRIED = changed(NOWHERE, asked(30.6), 33, 31)


def test_what_was_taken_back_is_held_and_no_more_than_that() -> None:
    assert Edge(30.6, tried=33, open=True) == TRIED
    back = changed(TRIED, asked(30.7, 31.1), 31, 32)
    assert back == Edge(30.6, tried=33, times=1, held=32, until=AT + HELD_S)
    assert changed(back, asked(30.8, 32.1), 32, 33).held == 33


def test_one_scale_in_after_another_is_tried_from_where_it_began() -> None:
    found = changed(changed(NOWHERE, asked(30.6), 33, 32), asked(30.0), 32, 31)
    assert (found.asked, found.tried, found.held) == (30.6, 33, 0)


@pytest.mark.parametrize(
    ("now", "before", "replicas"),
    [
        (asked(30.6, 32.2), 31, 32),  # 5 % more than the mean at this moment: no noise, but a rise.
        (asked(30.6, 30.9), 31, 32),  # Nobody asked for it: it was a bound, or an effect.
        (asked(30.6, 32.0), 31, 36),  # Large.
        (asked(30.6, 30.6), 31, 25),
    ],
)
def test_what_demand_does_not_take_back_holds_nothing(
    now: Asked, before: int, replicas: int
) -> None:
    assert changed(TRIED, now, before, replicas) == TRIED


def test_no_more_is_held_than_was_given_up() -> None:
    found = changed(TRIED, asked(31.9, 33.4), 31, 34)
    assert found.held == 33
    assert changed(NOWHERE, asked(30.6, 31.5), 31, 32) == NOWHERE


@pytest.mark.parametrize(
    ("mean", "stands"), [(20.0, True), (19.01, True), (20.99, True), (18.99, False), (21.01, False)]
)
def test_it_stands_while_as_much_is_asked_for(mean: float, *, stands: bool) -> None:
    edge = Edge(20.0, tried=22, times=1, held=22, until=AT + 1)
    assert edge.step(AT, asked(mean), TOLERANCE) == (edge if stands else NOWHERE)
    assert NOWHERE.step(AT, asked(mean), TOLERANCE) == NOWHERE


def test_what_nobody_asks_for_is_given_up_one_by_one() -> None:
    edge = changed(TRIED, asked(30.6, 32.1), 31, 33)
    assert edge.step(AT + HELD_S - 1, asked(30.6, 32.0), TOLERANCE).held == 33
    wanted = edge.step(AT + HELD_S - 1, asked(30.6, 32.1), TOLERANCE)
    assert (wanted.held, wanted.until) == (33, AT + HELD_S - 1 + HELD_S)
    for number in range(1, 4):
        edge = edge.step(AT + number * HELD_S, asked(30.6, 29.0), TOLERANCE)
        assert edge.held == 33 - number
    many = Edge(990.0, tried=1010, times=1, held=1000, until=AT)
    assert many.step(AT, asked(990.0), TOLERANCE).held == 950


def test_a_spike_asks_for_nothing() -> None:
    """Twice as much for a moment every half an hour holds no replica."""
    edge = changed(TRIED, asked(30.6, 32.1), 31, 33)
    assert edge.step(AT + HELD_S - 1, asked(30.6, 60.0), TOLERANCE) == edge


def test_what_is_decided_again_because_nobody_did_it_counts_once() -> None:
    """As in Shadow: every half a minute, for a day."""
    edge = TRIED
    for number in range(2880):
        edge = changed(edge, asked(30.6), 33, 31, AT + 30.0 * number)
    assert edge == TRIED
    assert changed(edge, asked(30.6, 31.1), 31, 32).until == AT + HELD_S


def test_patience_doubles_each_time_up_to_a_day() -> None:
    edge, now = NOWHERE, AT
    for number in range(8):
        edge = changed(changed(edge, asked(30.6), 32, 31, now), asked(30.6, 31.5), 31, 32, now)
        assert edge.until - now == min(HELD_S * 2**number, HELD_MOST_S)
        now = edge.until
        edge = edge.step(now, asked(30.6), TOLERANCE)
        assert edge.held == 31


@pytest.mark.parametrize(
    ("held", "current", "wish", "kept"),
    [
        (33, 33, 32, 33),
        (32, 33, 31, 32),
        (0, 33, 31, 31),  # Tried, and not taken back.
        (33, 33, 29, 29),  # More than a tenth fewer is no noise.
        (40, 33, 32, 33),  # Of what there is.
        (33, 33, 35, 35),
        (33, 36, 33, 33),
    ],
)
def test_the_guard(held: int, current: int, wish: int, kept: int) -> None:
    edge = Edge(30.6, tried=40, times=1, held=held, until=AT)
    mark = damping(wish, context(current, edge=edge))
    assert after(mark, wish) == kept
    if mark is not None:
        assert (mark.reason, mark.constraint) == (Reason.SCALE_DOWN_STABILIZATION, "edge")
        assert mark.limit == held
    own = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    assert damping(wish, context(current, edge=edge, behavior=own)) is None


@pytest.mark.parametrize(
    ("wished", "held", "constraint", "kept"),
    [(33, 31, "swings", 33), (33, 33, "swings", 33), (31, 32, "edge", 32), (30, 32, "edge", 32)],
)
def test_of_swings_and_an_edge_the_one_that_keeps_more_is_told(
    wished: int, held: int, constraint: str, kept: int
) -> None:
    past = Wishes([(700.0, wished), (999.0, 30)])
    edge = Edge(30.6, tried=33, times=1, held=held, until=AT)
    mark = damping(30, context(33, edge=edge, doublings=2, wished=past))
    assert mark is not None
    assert (mark.constraint, mark.replicas) == (constraint, kept)


def test_what_is_asked_for_is_a_mean_of_ten_minutes_without_the_cold_ones() -> None:
    sizing = Sizing(10)
    for step in range(10):
        sizing.close(stride(100.0, step=step, centre=150.0, scale=0.0, capacity=10.0))
    assert sizing.asked == pytest.approx(150.0)
    sizing.close(stride(100.0, step=10, centre=100.0, scale=4.0, capacity=10.0))
    assert sizing.asked == pytest.approx(
        110.0
    )  # Margin 2.5; what was asked for while cold is over.
    for step in range(11, 71):
        sizing.close(stride(100.0, step=step, centre=110.0, scale=4.0, capacity=10.0))
    assert sizing.asking == pytest.approx(120.0)
    # Ten minutes later: but for a little less than 1/e of what it was off.
    assert 120.0 - sizing.asked == pytest.approx(10.0 * (59 / 60) ** 60)
    restored = Sizing.restored(10, sizing.state())
    assert (restored.asked, restored.asking) == (sizing.asked, sizing.asking)


def flat(replicas: float, hours: int) -> np.ndarray:
    """Requests a second for ``replicas`` of 100 each, without noise."""
    return np.full(hours * HOUR, round(100 * replicas))


def settled(found: list[Change], since: int) -> list[tuple[int, int]]:
    return [(change.at, change.replicas) for change in found if change.at > since]


def test_one_minute_of_more_is_held_for_an_hour_and_not_for_good() -> None:
    counts = flat(9.6, 9)
    counts[5 * HOUR : 5 * HOUR + 60] = 985
    found = settled(simulated(counts, each=100, replicas=11), 4 * HOUR)
    assert [replicas for _, replicas in found][-1] == 10
    assert found[-1][0] < 7 * HOUR


@pytest.mark.parametrize("pin", [{"min": 2}, {"min": 2, "max": 2}])
def test_what_a_bound_asked_for_is_given_back_when_it_is_lifted(pin: dict[str, int]) -> None:
    """Twice, at a demand of 0.6 replicas: a minimum for an hour is no edge."""
    plain = {"min": 1, "max": 100}
    bounds = {2 * HOUR: pin, 3 * HOUR: plain, 4 * HOUR: pin, 5 * HOUR: plain}
    found = simulated(flat(0.6, 6), each=100, replicas=1, bounds=bounds)
    assert [replicas for _, replicas in settled(found, HOUR)] == [2, 1, 2, 1]


def by_minute(replicas: float, hours: int, off: float) -> np.ndarray:
    """As ``flat``, but that minutes differ by up to ``off``."""
    minutes = np.random.default_rng(1).uniform(1.0 - off, 1.0 + off, hours * 60)
    return np.round(1000 * replicas * np.repeat(minutes, 60)).astype(int)


@pytest.mark.parametrize("little", [250, 500])
def test_variants_that_serve_differently_do_not_flap_either(little: int) -> None:
    """Three little ones of 27 are a ninth of the number, and a twentieth of what all serve."""
    variants = [
        {"name": "big", "target": {"name": "big"}, "perReplica": 1000, "max": 15},
        {"name": "little", "target": {"name": "little"}, "perReplica": little},
    ]
    found = simulated(
        by_minute(19.3, 5, 0.04),
        each=1000,
        replicas={"big": 15, "little": 5},
        target=None,
        variants=variants,
    )
    assert settled(found, 3 * HOUR) == []


def edge_after(fleet: Fleet, counts: np.ndarray, **spec: Any) -> Edge:
    simulated(counts, each=1000, replicas=62, begun=fleet, **spec)
    return fleet.scaler(W).conditions.edge


def test_an_edge_is_for_the_tolerance_that_the_user_has_set() -> None:
    def held(tolerance: float) -> int:
        fleet = Fleet(lateness_s=1.0, valid_s=30.0)
        behavior = {"scaleDown": {"tolerance": tolerance}}
        return edge_after(fleet, by_minute(61.0, 3, 0.04), behavior=behavior).held

    assert held(0.05) >= 66
    assert held(0.0) == 0
    assert held(0.02) < held(0.05)


def test_a_new_spec_knows_no_edge() -> None:
    fleet = Fleet(lateness_s=1.0, valid_s=30.0)
    counts = by_minute(61.0, 3, 0.04)
    assert edge_after(fleet, counts).held
    limits = {len(counts) - 30: {"min": 2, "max": 1000}}
    assert edge_after(Fleet(lateness_s=1.0, valid_s=30.0), counts, bounds=limits) == NOWHERE


def test_a_rise_that_is_no_noise_makes_no_edge() -> None:
    """From 9.4 to 10.9 for five minutes, by one replica: then all is as before."""
    counts = flat(9.4, 6)
    counts[3 * HOUR : 3 * HOUR + 300] = 1090
    fleet = Fleet(lateness_s=1.0, valid_s=30.0)
    found = simulated(counts, each=100, replicas=11, begun=fleet)
    assert 11 in [replicas for _, replicas in settled(found, 3 * HOUR)]
    assert fleet.scaler(W).conditions.edge.held < 11


def test_what_was_restored_holds_as_before() -> None:
    spec, window = agent().spec, Window()
    held = Conditions(spec, window)
    held.edge = Edge(306.0, tried=33, open=True, times=2, held=32, until=AT)
    made = Conditions(spec, window)
    state = msgspec.msgpack.decode(
        msgspec.msgpack.encode(held.state()), type=ConditionsState, strict=True
    )
    made.restore(state)
    assert made.edge == held.edge
    made.step(int(AT), None)
    assert made.edge == NOWHERE  # What is asked for is not known any more.
