"""An edge: a small scale-in that was taken back is not made again while as much is asked for."""

from __future__ import annotations

import pytest

from models.domain.decision import Reason
from models.edge import NOWHERE, Asked, Edge
from models.policy.damping import damping
from models.policy.wishes import Wishes
from models.sizing import Sizing
from tests.models.test_policy import after, context
from tests.models.test_sizing import stride

TOLERANCE = 0.05


def at(asked: float, newest: float | None = None) -> Asked:
    return Asked(asked, asked if newest is None else newest)


def test_what_was_taken_back_is_held_and_no_more_than_that() -> None:
    tried = NOWHERE.after(at(30.6), 33, 31, TOLERANCE)
    assert tried == Edge(30.6, 33, 0)
    back = tried.after(at(30.7, 31.1), 31, 32, TOLERANCE)
    assert back == Edge(30.6, 33, 32)
    assert back.after(at(30.8, 32.1), 32, 33, TOLERANCE) == Edge(30.6, 33, 33)


def test_one_scale_in_after_another_is_tried_from_where_it_began() -> None:
    found = NOWHERE.after(at(30.6), 33, 32, TOLERANCE).after(at(30.0), 32, 31, TOLERANCE)
    assert found == Edge(30.6, 33, 0)


@pytest.mark.parametrize(
    ("asked", "before", "replicas"),
    [
        (at(30.6), 31, 34),  # More than there were before is no way back.
        (at(30.6, 32.2), 31, 32),  # 5 % more than the mean at this moment: no noise, but a rise.
        (at(30.6), 31, 36),  # Large.
        (at(30.6), 31, 25),
    ],
)
def test_what_is_no_way_back_holds_nothing(asked: Asked, before: int, replicas: int) -> None:
    tried = NOWHERE.after(at(30.6), 33, 31, TOLERANCE)
    assert tried.after(asked, before, replicas, TOLERANCE) == tried
    assert NOWHERE.after(at(30.6), 31, 32, TOLERANCE) == NOWHERE


@pytest.mark.parametrize(
    ("asked", "stands"),
    [(20.0, True), (19.01, True), (20.99, True), (18.99, False), (21.01, False)],
)
def test_it_stands_while_as_much_is_asked_for(asked: float, *, stands: bool) -> None:
    edge = Edge(20.0, 22, 22)
    assert edge.near(asked, TOLERANCE) == (edge if stands else NOWHERE)
    assert NOWHERE.near(asked, TOLERANCE) == NOWHERE


@pytest.mark.parametrize(
    ("edge", "wish", "kept"),
    [
        (Edge(30.6, 33, 33), 32, 33),
        (Edge(30.6, 33, 32), 31, 32),
        (Edge(30.6, 33, 0), 31, 31),  # Tried, and not taken back.
        (Edge(30.6, 33, 33), 29, 29),  # More than a tenth fewer is no noise.
        (Edge(30.6, 40, 40), 32, 33),  # Of what there is.
        (Edge(30.6, 33, 33), 35, 35),
    ],
)
def test_the_guard(edge: Edge, wish: int, kept: int) -> None:
    mark = damping(wish, context(33, edge=edge))
    assert after(mark, wish) == kept
    if mark is not None:
        assert (mark.reason, mark.constraint) == (Reason.SCALE_DOWN_STABILIZATION, "edge")
        assert mark.limit == pytest.approx(30.6 * 0.95)
        assert "29.1" in mark.why
    own = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    assert damping(wish, context(33, edge=edge, behavior=own)) is None


def test_of_swings_and_an_edge_the_one_that_keeps_more_is_told() -> None:
    wished = Wishes([(700.0, 33), (999.0, 30)])
    for held, constraint in ((31, "swings"), (33, "swings"), (32, "edge")):
        past = wished if constraint == "swings" else Wishes([(700.0, 31), (999.0, 30)])
        found = context(33, edge=Edge(30.6, 33, held), doublings=2, wished=past)
        mark = damping(30, found)
        assert mark is not None
        assert mark.constraint == constraint


def test_what_is_asked_for_is_a_mean_of_ten_minutes_without_the_cold_ones() -> None:
    sizing = Sizing(10)
    for step in range(10):
        sizing.close(stride(100.0, step=step, centre=150.0, scale=0.0, capacity=10.0))
    assert sizing.asked == pytest.approx(15.0)
    sizing.close(stride(100.0, step=10, centre=100.0, scale=4.0, capacity=10.0))
    assert sizing.asked == pytest.approx(11.0)  # Margin 2.5; what was asked for while cold is over.
    for step in range(11, 71):
        sizing.close(stride(100.0, step=step, centre=110.0, scale=4.0, capacity=10.0))
    # Ten minutes later: 12 but for a little less than 1/e of what it is off.
    assert 12.0 - sizing.asked == pytest.approx((59 / 60) ** 60)
    assert Sizing.restored(10, sizing.state()).asked == sizing.asked
