"""Effects of changes: harm is undone, uselessness stops, and chance is mostly told from both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from models import sketch
from models.domain.decision import Decision, Reason
from models.domain.load import Load, Progress, ReplicaGauge, SourceProgress
from models.effect import (
    FREEZE_MOST_S,
    FREEZE_S,
    GIVE_UP_S,
    Effect,
    EffectState,
    Frozen,
    Sample,
    Trial,
    harmed,
    useless,
)
from models.fleet import Fleet, MemberState
from models.step import SpecChange, Step
from models.window import Window
from tests.models.fleets import BEGIN, W, agent, load_of

FAST, SLOW = sketch.bucket(200_000), sketch.bucket(3_000_000)
LIMIT_S, BUDGET = 1.0, 0.01


def load(second: int, fast: int, slow: int, *, replicas: int | None = None) -> Load:
    told = {FAST: fast, SLOW: slow}
    gauge = ReplicaGauge(
        at_us=second * 1_000_000, desired=replicas or 0, ready=replicas or 0, starting=0
    )
    return load_of(
        second,
        fast + slow,
        latency_count=fast + slow,
        latency={bucket: count for bucket, count in told.items() if count},
        replicas={} if replicas is None else {"default": gauge},
    )


class Service:
    """A fleet with one workload; ``serve`` says of a second how many are fast, how many slow."""

    def __init__(self, serve: Callable[[int, int], tuple[int, int]], **spec: Any) -> None:
        self.fleet = Fleet(lateness_s=1.0, valid_s=30.0)
        self.serve = serve
        self.now = BEGIN
        self.replicas = 1
        self.decisions: list[Decision] = []
        self.steps: list[Step] = []
        self._specs: tuple[SpecChange, ...] = (
            SpecChange(
                workload=W,
                revision=1,
                spec=agent(slo={"latencySeconds": LIMIT_S, "violations": BUDGET}, **spec),
            ),
        )

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            told = load(self.now, *self.serve(self.now, self.replicas), replicas=self.replicas)
            report = SourceProgress(source=0, position=0, watermark=self.now, done=0)
            step = Step(
                now=float(self.now),
                generation=1,
                era=0,
                specs=self._specs,
                records=(told, Progress(sources=1, progress=(report,))),
                tick=True,
            )
            self._specs = ()
            self.steps.append(step)
            for decision in self.fleet.apply(step).decisions:
                self.decisions.append(decision)
                self.replicas = decision.to.replicas["default"]


def optimistic(count: int = 16, *, really: int = 4) -> Service:
    """The spec says that a replica serves 8 of ``count`` a second; below ``really`` it is slow."""
    made = Service(
        lambda _, replicas: (count, 0) if replicas >= really else (count - 3, 3),
        demand={"unit": "requests", "perReplica": 8},
        behavior={"scaleDown": {"stabilizationWindowSeconds": 0}},
    )
    made.replicas = 8
    return made


def test_a_scale_in_that_made_requests_slow_is_undone_and_frozen_for_longer_each_time() -> None:
    service = optimistic()
    service.run(3000)
    undone = [d for d in service.decisions if d.reason is Reason.EFFECT]
    assert len(undone) >= 3
    for decision in undone:
        # Known within 40 s, and back to where it was before, which was enough.
        harm = max(d.at for d in service.decisions if d.at < decision.at)
        assert 20 <= decision.at - harm <= 40
        assert decision.to.replicas["default"] >= 4
        assert decision.binding is not None
        assert decision.binding.constraint == "effect"
    down = [d.at for d in service.decisions if d.to.replicas["default"] < 4]
    frozen = [again - was.at for was, again in zip(undone, down[1:], strict=False)]
    assert [round(each / FREEZE_S) for each in frozen] == [2**n for n in range(len(frozen))]
    slow = sum(1 for _ in down) * 40
    assert slow < 0.06 * 3000


def test_a_harmless_scale_in_is_left_alone_and_forgives() -> None:
    service = optimistic(really=1)
    service.run(900)
    assert service.replicas <= 3
    assert all(d.reason is not Reason.EFFECT for d in service.decisions)
    effect = service.fleet._members[W].scaler.conditions.effect
    assert effect is not None
    assert (effect.trial, effect.frozen, effect.harmful) == (None, None, 0)


def test_scale_in_by_small_steps_is_watched_from_the_first() -> None:
    """One replica every 10 s: harm shows while it goes on, and all of it is undone."""
    service = Service(
        lambda _, replicas: (16, 0) if replicas >= 5 else (13, 3),
        demand={"unit": "requests", "perReplica": 8},
        behavior={
            "scaleDown": {
                "stabilizationWindowSeconds": 0,
                "tolerance": 0,
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 10}],
            }
        },
    )
    service.replicas = 8
    service.run(200)
    undone = next(d for d in service.decisions if d.reason is Reason.EFFECT)
    first = service.decisions[0]
    assert undone.at - first.at <= 90
    assert undone.to.replicas["default"] == 8


def test_more_demand_is_not_blamed_on_the_scale_in() -> None:
    """Slow because twice as much came just then."""
    service = optimistic()
    service.run(200)
    made = service.decisions[-1]
    service = Service(
        lambda now, _: (16, 0) if now < made.at else (20, 4),
        demand={"unit": "requests", "perReplica": 8},
        behavior={"scaleDown": {"stabilizationWindowSeconds": 0}},
    )
    service.replicas = 8
    service.run(600)
    assert all(d.reason is not Reason.EFFECT for d in service.decisions)


def by_latency(serve: Callable[[int, int], tuple[int, int]]) -> Service:
    made = Service(serve, demand={"unit": "requests"}, replicas={"min": 1, "max": 100})
    made.replicas = 2
    return made


def test_where_more_replicas_change_nothing_no_more_are_added() -> None:
    """The database is slow.  Without feedback it goes to the maximum of 100."""
    service = by_latency(lambda now, _: (10, 10) if now > BEGIN + 90 else (20, 0))
    service.run(400)
    assert service.replicas <= 12
    stopped = service.replicas
    effect = service.fleet._members[W].scaler.conditions.effect
    assert effect is not None
    assert effect.frozen is not None
    assert effect.frozen.direction == "out"
    service.run(60)
    assert service.replicas == stopped
    service.run(1800)  # Then one more attempt at a time, each after twice as long.
    assert service.replicas <= 3 * stopped


def test_an_overload_that_more_replicas_work_off_is_not_taken_for_useless() -> None:
    """A queue that began long: everything in it is slow until it is gone."""
    queue = 4000.0

    def serve(_: int, replicas: int) -> tuple[int, int]:
        nonlocal queue
        queue += 20.0
        done = min(queue, 4.0 * replicas)
        queue -= done
        return (0, int(done)) if queue > 20.0 else (int(done), 0)

    service = by_latency(serve)
    service.run(1500)
    effect = service.fleet._members[W].scaler.conditions.effect
    assert effect is not None
    assert effect.frozen is None
    assert queue <= 20.0


def test_a_freeze_of_scale_out_ends_when_demand_is_another() -> None:
    service = by_latency(lambda _, __: (10, 10))
    service.run(400)
    stopped = service.replicas
    service.serve = lambda _, __: (20, 10)
    service.run(90)
    assert service.replicas > stopped


def test_a_restored_workload_keeps_what_is_watched_and_frozen() -> None:
    service = optimistic()
    service.run(900)
    began = service.decisions[0].at - BEGIN
    for begin in (int(began) + 15, int(began) + 100):
        half = optimistic()
        half.run(begin)
        (state,) = half.fleet.states([W], 0)
        assert state.planner is not None
        assert state.planner.scaler.conditions.effect is not None
        copy = Fleet(lateness_s=1.0, valid_s=30.0)
        copy.merge.restore(half.fleet.merge.state())
        copy.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=MemberState))
        again = [d for step in service.steps[begin:] for d in copy.apply(step).decisions]
        wanted = [d for d in service.decisions if d.at > BEGIN + begin]
        assert msgspec.json.encode(again) == msgspec.json.encode(wanted)
        assert wanted


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ((600, 3), (600, 24), True),  # The docstring's.
        ((600, 3), (600, 5), False),  # Within the budget.
        ((600, 30), (600, 36), False),  # Above it, but no more than by chance.
        ((20, 0), (20, 4), False),  # Too few to tell.
        ((600, 0), (600, 600), True),
        ((0, 0), (600, 600), False),  # Nothing to compare with.
        ((600, 600), (600, 600), False),
    ],
)
def test_harm(before: tuple[int, int], after: tuple[int, int], *, found: bool) -> None:
    assert harmed(Sample(*before, 10.0, 10.0), Sample(*after, 10.0, 10.0), BUDGET) is found
    assert not harmed(Sample(*before, 10.0, 10.0), Sample(*after, 11.1, 11.1), BUDGET)


@pytest.mark.parametrize(
    ("before", "after", "ended", "found"),
    [
        ((600, 300), (600, 300), 10.0, True),
        ((600, 300), (600, 275), 10.0, True),
        ((600, 300), (600, 265), 10.0, False),  # It helped.
        ((600, 300), (600, 300), 11.1, False),  # More was served.
        ((600, 300), (600, 5), 10.0, False),
        ((90, 90), (90, 90), 10.0, False),  # Too few to tell.
    ],
)
def test_uselessness(
    before: tuple[int, int], after: tuple[int, int], ended: float, *, found: bool
) -> None:
    assert useless(Sample(*before, 10.0, 10.0), Sample(*after, ended, ended), BUDGET) is found


def share_undone(
    shares: Callable[[np.random.Generator, int], Any], *, rate: float, runs: int, seed: int
) -> float:
    """The share of scale-ins that are undone, where a second's share of slow ones is as given."""
    chance, undone = np.random.default_rng(seed), 0
    for _ in range(runs):
        window, effect = Window(), Effect()
        share = shares(chance, 150)
        for second in range(150):
            count = int(chance.poisson(rate))
            slow = int(chance.binomial(count, share[second]))
            window.add(load(BEGIN + second, count - slow, slow), None)
            if second == 75:
                effect.begin(BEGIN + second, 6, 5, window, LIMIT_S)
            elif second % 10 == 9:
                effect.step(BEGIN + second + 1.0, 5, window, LIMIT_S, BUDGET)
        undone += effect.harmful
    return undone / runs


def steady(share: float) -> Callable[[np.random.Generator, int], Any]:
    return lambda _, seconds: np.full(seconds, share)


def drifting(share: float) -> Callable[[np.random.Generator, int], Any]:
    """Around ``share``, twice as much or half as much, for half a minute at a time."""

    def made(chance: np.random.Generator, seconds: int) -> Any:
        keep, noise, value = math.exp(-1 / 30), [], float(chance.normal())
        for _ in range(seconds):
            value = keep * value + math.sqrt(1 - keep * keep) * float(chance.normal())
            noise.append(value)
        return np.minimum(share * np.exp(math.log(2) * np.array(noise)), 1.0)

    return made


@pytest.mark.parametrize("rate", [1.0, 20.0, 200.0])
@pytest.mark.parametrize("share", [0.002, 0.01, 0.1])
def test_chance_alone_is_hardly_ever_taken_for_harm(rate: float, share: float) -> None:
    """At most 1 of 100 where slow requests come independently, within the budget or above it."""
    assert share_undone(steady(share), rate=rate, runs=100, seed=7) <= 0.01


def test_slow_requests_that_come_in_spells_are_taken_for_harm_more_often() -> None:
    """What it cannot tell well, with the rates that docs/policy.md names."""
    assert share_undone(drifting(0.01), rate=20.0, runs=200, seed=7) <= 0.06
    assert share_undone(drifting(0.01), rate=200.0, runs=200, seed=7) <= 0.15


def test_harm_is_found() -> None:
    def worse(_: np.random.Generator, seconds: int) -> Any:
        return np.where(np.arange(seconds) < 75, 0.005, 0.1)

    assert share_undone(worse, rate=20.0, runs=100, seed=7) >= 0.98


def test_what_is_kept_is_bounded_and_forgotten() -> None:
    window, effect = Window(), Effect()
    for second in range(90):
        window.add(load(BEGIN + second, 10, 5), None)
    for replicas in range(1, 40):
        effect.begin(BEGIN + 89.0, replicas, 2 * replicas, window, LIMIT_S)
        effect.begin(BEGIN + 89.0, 2 * replicas, replicas, window, LIMIT_S)
    effect.begin(BEGIN + 89.0, 2, 4, window, LIMIT_S)
    state = msgspec.msgpack.encode(effect.state())
    assert len(state) < 200
    assert Effect.restored(msgspec.msgpack.decode(state, type=EffectState)).state() == (
        effect.state()
    )
    effect.step(BEGIN + 90 + GIVE_UP_S, 2, window, LIMIT_S, BUDGET)
    assert effect.trial is None


def test_the_freeze_doubles_up_to_an_hour() -> None:
    window, effect = Window(), Effect()
    for second in range(90):
        window.add(load(BEGIN + second, 10, 10), None)
    lengths = []
    good = Sample(600, 0, 20.0, 20.0)
    for _ in range(6):
        effect.trial = Trial(BEGIN + 30.0, 6, 5, good, BEGIN + 30.0, 1)
        effect.step(BEGIN + 90.0, 5, window, LIMIT_S, BUDGET)
        assert isinstance(effect.frozen, Frozen)
        lengths.append(effect.frozen.until - BEGIN - 90)
    assert lengths == [300, 600, 1200, 2400, FREEZE_MOST_S, FREEZE_MOST_S]
