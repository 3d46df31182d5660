"""No flapping: demand that is constant but for noise moves nothing once it has settled."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.decision import Reason
from models.domain.load import Load, Progress, ReplicaGauge, SourceProgress
from models.edge import Edge
from models.fleet import Fleet
from models.policy import GUARDS
from models.policy.damping import damping
from models.policy.wishes import Wishes
from models.step import SpecChange, Step
from models.swings import BACK, FORGET_S, MOST, Swings, small
from tests.models.fleets import BEGIN, W, agent
from tests.models.test_policy import after, context

SETTLED_S = 5400
"""An hour and a half, in which the margin is learned: it is chosen anew every five minutes."""


class Change(NamedTuple):
    at: int
    replicas: int


def changes(
    *,
    replicas: float,
    noise: float,
    start_up_s: float,
    seconds: int = 9000,
    seed: int = 1,
    by_minute: float = 0.0,
    **spec: Any,
) -> list[Change]:
    """What is done under Poisson demand of ``replicas`` times what one serves.

    ``noise`` is the standard deviation of what demand is measured by, its mean over three seconds,
    relative to it; ``by_minute`` is how far whole minutes are off, at most.
    """
    rate = 1 / (3 * noise**2)
    chance = np.random.default_rng(seed)
    off = np.repeat(1.0 + chance.uniform(-by_minute, by_minute, seconds // 60), 60)
    return simulated(
        chance.poisson(rate * off),
        each=rate / replicas,
        replicas=max(round(replicas), 1),
        start_up_s=start_up_s,
        **spec,
    )


def simulated(
    counts: np.ndarray,
    *,
    each: float,
    replicas: int | dict[str, int],
    start_up_s: float = 20.0,
    bounds: dict[int, dict[str, int]] | None = None,
    begun: Fleet | None = None,
    **spec: Any,
) -> list[Change]:
    """What is done from ``replicas`` on under ``counts`` requests a second, ``each`` per replica.

    What is decided is there at once.  ``bounds``: new ones, by the second they hold from;
    ``begun``: the fleet that decides; ``replicas`` by variant where there are several.
    """

    def made(limits: dict[str, int], revision: int) -> SpecChange:
        demand = {"unit": "requests"} | ({} if "variants" in spec else {"perReplica": each})
        return SpecChange(
            workload=W,
            revision=revision,
            spec=agent(demand=demand, replicas=limits, **spec),
        )

    fleet = Fleet(lateness_s=1.0, valid_s=30.0) if begun is None else begun
    held = {"default": replicas} if isinstance(replicas, int) else replicas
    found: list[Change] = []
    due = {0: {"min": 1, "max": 1000}} | (bounds or {})
    for second, count in enumerate(counts.tolist()):
        now = BEGIN + second
        at_us = now * 1_000_000
        gauges = {
            name: ReplicaGauge(at_us=at_us, desired=number, ready=number, starting=0)
            for name, number in held.items()
        }
        load = Load(
            workload=W,
            second=now,
            source=0,
            block=now,
            reach=second,
            sent_us=at_us,
            events=count,
            finished=count,
            replicas=gauges,
            started_s=() if second else (start_up_s,),
        )
        report = SourceProgress(source=0, position=0, watermark=now + 1.0, done=0)
        step = Step(
            now=now + 1.0,
            generation=1,
            era=0,
            specs=(made(due[second], second + 1),) if second in due else (),
            records=(load, Progress(sources=1, progress=(report,))),
            tick=True,
        )
        for decision in fleet.apply(step).decisions:
            if decision.to.replicas != held:
                held = dict(decision.to.replicas)
                found.append(Change(second, sum(held.values())))
    return found


@pytest.mark.parametrize("start_up_s", [20.0, 155.0])
@pytest.mark.parametrize(("replicas", "noise"), [(1.5, 0.02), (8.4, 0.02), (40.5, 0.01)])
def test_noise_below_the_tolerance_moves_nothing(
    replicas: float, noise: float, start_up_s: float
) -> None:
    """The five per cent of tolerance are 2.5 standard deviations and more."""
    found = changes(
        replicas=replicas, noise=noise, start_up_s=start_up_s, seconds=9000, seed=int(replicas)
    )
    assert [change for change in found if change.at > SETTLED_S] == []


@settings(max_examples=4, deadline=None)
@given(
    replicas=st.floats(1.2, 60.0),
    noise=st.floats(0.004, 0.02),
    start_up_s=st.sampled_from([20.0, 65.0, 155.0, 430.0]),
    seed=st.integers(0, 10_000),
    by_minute=st.sampled_from([0.0, 0.0, 0.02, 0.04]),
)
def test_at_any_level_it_comes_to_rest(
    replicas: float, noise: float, start_up_s: float, seed: int, by_minute: float
) -> None:
    """Also where a whole replica more or less hangs on the noise, and minutes differ.

    What is left are edges that are met for the first time: one in, and back.
    """
    found = changes(
        replicas=replicas,
        noise=noise,
        start_up_s=start_up_s,
        seed=seed,
        by_minute=by_minute,
        seconds=4 * 3600,
    )
    late = [change for change in found if change.at > 2 * 3600]
    assert len(late) <= 4
    # And what swings is one replica, or a tenth.
    for one, other in itertools.pairwise(late):
        assert abs(one.replicas - other.replicas) <= max(1.0, 0.1 * one.replicas)


@pytest.mark.parametrize(
    ("by_minute", "replicas", "start_up_s", "most"),
    [
        (0.024, 20.0, 20.0, 0),
        (0.024, 30.6, 20.0, 0),
        (0.024, 61.0, 155.0, 0),
        (0.04, 5.3, 20.0, 0),
        (0.04, 24.0, 20.0, 0),
        (0.04, 61.0, 20.0, 0),
        (0.04, 61.0, 155.0, 2),
    ],
)
def test_minutes_that_differ_by_less_than_the_tolerance_move_nothing(
    by_minute: float, replicas: float, start_up_s: float, most: int
) -> None:
    """An edge is met once: after an hour no count is given up twice, after two next to none at all.

    Where low minutes in a row are rare, or a narrower margin has shown to be enough, it is later.
    """
    found = changes(
        replicas=replicas,
        noise=0.002,
        start_up_s=start_up_s,
        by_minute=by_minute,
        seconds=4 * 3600,
    )
    pairs = itertools.pairwise(found)
    given_up = [
        one.replicas for one, other in pairs if other.at > 3600 and other.replicas < one.replicas
    ]
    assert len(given_up) == len(set(given_up))
    assert len([change for change in found if change.at > 2 * 3600]) <= most


def test_it_is_edges_and_damping_that_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the same minutes move replicas to and fro for as long as they last."""
    monkeypatch.setattr(Edge, "after", lambda self, *_: self)
    monkeypatch.setattr("models.policy.guards.GUARDS", tuple(g for g in GUARDS if g is not damping))
    found = changes(replicas=61.0, noise=0.002, start_up_s=20.0, by_minute=0.04, seconds=4 * 3600)
    assert sum(change.at > 2 * 3600 for change in found) > 10


@pytest.mark.parametrize(
    ("before", "after_", "found"),
    [
        (5, 4, True),
        (4, 5, True),
        (40, 39, True),
        (5, 3, False),
        (40, 37, True),
        (40, 35, False),
        (1, 0, False),
        (2, 2, False),
    ],
)
def test_small_is_one_replica_or_a_tenth(before: int, after_: int, *, found: bool) -> None:
    assert small(before, after_) is found


def test_swings_are_counted_and_forgotten() -> None:
    swings, now, window_s = Swings(), 1000.0, 160.0
    for count in range(1, MOST + 3):
        swings = swings.after(now, 5, 4, window_s)
        swings = swings.after(now + BACK * window_s, 4, 5, window_s)
        now += 1000.0
        assert swings.doublings(now) == min(count, MOST)
    assert swings.doublings(now + 2 * FORGET_S) == MOST - 2
    assert swings.doublings(now + 100 * FORGET_S) == 0


def test_what_stands_or_is_large_is_no_swing() -> None:
    window_s = 160.0
    stood = Swings().after(1000.0, 5, 4, window_s).after(1641.0, 4, 5, window_s)
    assert stood.doublings(1641.0) == 0
    large = Swings().after(1000.0, 9, 4, window_s).after(1010.0, 4, 9, window_s)
    assert large.doublings(1010.0) == 0
    count = (
        Swings(2, 1000.0).after(1000.0 + 3500, 9, 4, window_s).after(1000.0 + 3550, 4, 9, window_s)
    )
    assert count.doublings(1000.0 + FORGET_S) == 1  # Large changes do not keep it from forgetting.
    only_out = Swings().after(5000.0, 4, 5, window_s)
    assert only_out.doublings(5000.0) == 0


@pytest.mark.parametrize(
    ("doublings", "wish", "age_s", "kept"),
    [
        # The window is 160 s (four horizons of 40 s), doubled twice 640 s.
        (2, 4, 639.0, 5),
        (2, 4, 641.0, 4),
        (0, 4, 639.0, 4),
        (1, 4, 319.0, 5),
        (2, 3, 10.0, 3),  # Two fewer are not noise.
        (2, 7, 10.0, 7),
    ],
)
def test_the_guard(doublings: int, wish: int, age_s: float, kept: int) -> None:
    wished = Wishes([(1000.0 - age_s, 5), (999.0, wish)])
    found = context(wished=wished, doublings=doublings)
    mark = damping(wish, found)
    assert after(mark, wish) == kept
    assert mark is None or mark.reason is Reason.SCALE_DOWN_STABILIZATION
    own = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    assert damping(wish, context(wished=wished, doublings=doublings, behavior=own)) is None
