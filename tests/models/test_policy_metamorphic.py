"""Metamorphic relations: what must not change a decision, through the whole of the core.

The wish alone is held to scale and monotony in test_scenarios.py, totals to duplication and order
in test_blocks_and_merge.py; here it is what comes out behind all guards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import sketch
from models.domain.decision import Decision
from models.domain.load import Load, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.edge import Edge
from models.fleet import Fleet
from models.policy import GUARDS, Context, Wishes
from models.policy.limits import Limits
from models.step import SpecChange, Step
from tests.models.fleets import BEGIN, W, agent

DAY = 86_400
Records = Sequence[Load | Progress]

SPEC: dict[str, Any] = {
    "replicas": {"min": 0, "max": 60, "cooldownPeriodSeconds": 60},
    "slo": {"latencySeconds": 1.0},
    # BEGIN is 22:13:20 UTC, and Helsinki two hours before it: six minutes later the second is on.
    "schedules": [
        {"start": "16 22 * * *", "end": "20 22 * * *", "min": 6},
        {"start": "19 0 * * *", "end": "21 0 * * *", "timezone": "Europe/Helsinki", "max": 9},
    ],
    "behavior": {
        "scaleUp": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
        "scaleDown": {"tolerance": 0.2},
    },
}
"""With everything in it that has a memory."""

CAPACITY = 4

levels = st.lists(st.sampled_from([0, 0, 1, 7, 30, 90]), min_size=4, max_size=9)


def run(
    counts: Sequence[int],
    *,
    factor: int = 1,
    shift: int = 0,
    others: Sequence[str] = (),
    silent: Sequence[str] = (),
    change: Callable[[list[Load | Progress]], Records] = list,
) -> list[Decision]:
    """Decisions on ``counts``, each for 40 s, obeyed at once.

    ``factor``: both of tokens, which demand is counted in, and of what a replica serves; requests
    stay as many, because their number says how sure demand is.  ``shift``: of all times, seconds.
    ``others``: workloads beside it, with demands of their own; ``silent``: with nothing but a spec.
    ``change``: what becomes of the records of a step.
    """
    names = [W, *others]
    chance = random.Random(3)
    fleet, held = Fleet(lateness_s=1.0, valid_s=30.0), dict.fromkeys(names, 1)
    spec = agent(**SPEC, demand={"unit": "tokens", "perReplica": CAPACITY * factor})
    specs = tuple(
        SpecChange(workload=n, revision=1, spec=named(spec, n)) for n in sorted([*names, *silent])
    )
    made: list[Decision] = []
    for second, count in enumerate(count for count in counts for _ in range(40)):
        now = BEGIN + shift + second
        records: list[Load | Progress] = []
        for name in names:
            asked = count if name == W else chance.choice([0, 3, 50])
            halves = (asked // 3, asked - asked // 3)
            records += [
                told(name, now, source, part, factor, held[name])
                for source, part in enumerate(halves)
            ]
        reports = tuple(
            SourceProgress(source=source, position=0, watermark=now + 1.0, done=0)
            for source in (0, 1)
        )
        step = Step(
            now=now + 1.0,
            generation=1,
            era=0,
            specs=specs,
            records=(*change(records), Progress(sources=2, progress=reports)),
            tick=True,
        )
        specs = ()
        for decision in fleet.apply(step).decisions:
            held[decision.workload] = decision.to.replicas["default"]
            if decision.workload == W:
                made.append(decision)
    return made


def named(spec: AgentScaler, workload: str) -> AgentScaler:
    namespace, _, name = workload.partition("/")
    metadata = spec.metadata.model_copy(update={"name": name, "namespace": namespace})
    return spec.model_copy(update={"metadata": metadata})


def told(workload: str, now: int, source: int, count: int, tokens: int, held: int) -> Load:
    gauge = ReplicaGauge(at_us=now * 1_000_000, desired=held, ready=held, starting=0)
    return Load(
        workload=workload,
        second=now,
        source=source,
        block=now,
        reach=now,
        sent_us=now * 1_000_000,
        events=count + 1,
        finished=count,
        latency_count=count,
        latency={sketch.bucket(200_000): count} if count else {},
        tokens_out=count * tokens,
        replicas={"default": gauge},
    )


def told_times(made: Sequence[Decision], shift: int = 0) -> list[tuple[float, int, str]]:
    return [(d.at - shift, d.to.replicas["default"], d.reason.value) for d in made]


def test_the_runs_below_have_everything_in_them() -> None:
    """So that the relations are not held by runs in which nothing happens."""
    reasons = {d.reason.value for d in run([30, 90, 7, *[0] * 10, 7, 30, 1])}
    assert {"activation", "schedule", "rate-limited", "idle"} <= reasons


@settings(max_examples=8, deadline=None)
@given(levels, st.sampled_from([2, 4, 64]))
def test_demand_and_capacity_by_the_same_factor(counts: list[int], factor: int) -> None:
    """Powers of two, by which floating point numbers scale exactly."""
    assert told_times(run(counts, factor=factor)) == told_times(run(counts))


@settings(max_examples=6, deadline=None)
@given(levels, st.sampled_from([1, 3, 7]))
def test_time_by_whole_days(counts: list[int], days: int) -> None:
    """In November, when no zone of the spec changes its clocks."""
    shift = days * DAY
    assert told_times(run(counts, shift=shift), shift) == told_times(run(counts))


@settings(max_examples=6, deadline=None)
@given(levels)
def test_a_workload_beside_others_decides_as_alone(counts: list[int]) -> None:
    alone = run(counts)
    beside = run(counts, others=["prod/aa", "prod/zz", "test/bot"])
    assert (beside == alone) is True  # Said so, or pytest would compare them letter by letter.


@settings(max_examples=6, deadline=None)
@given(levels)
def test_a_workload_beside_an_idle_one_decides_as_alone(counts: list[int]) -> None:
    alone = run(counts)
    beside = run(counts, silent=["prod/aa", "prod/zz"])
    assert (beside == alone) is True


@settings(max_examples=6, deadline=None)
@given(levels, st.randoms(use_true_random=False))
def test_records_told_twice_and_in_any_order(counts: list[int], chance: random.Random) -> None:
    def change(records: list[Load | Progress]) -> Records:
        twice = [*records, *records]
        chance.shuffle(twice)
        return twice

    assert told_times(run(counts, change=change)) == told_times(run(counts))


rules = st.fixed_dictionaries(
    {},
    optional={
        "tolerance": st.sampled_from([0.0, 0.05, 0.3, 1.0]),
        "stabilizationWindowSeconds": st.sampled_from([0, 30, 600]),
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.lists(
            st.sampled_from(
                [
                    {"type": "Percent", "value": 50, "periodSeconds": 60},
                    {"type": "Pods", "value": 2, "periodSeconds": 30},
                ]
            ),
            max_size=2,
        ),
    },
)
counts = st.integers(0, 40)


@settings(max_examples=300, deadline=None)
@given(
    up=rules,
    down=rules,
    current=counts,
    wished=st.lists(st.tuples(st.integers(0, 700), counts), max_size=8),
    wishes=st.tuples(counts, counts),
    starting=counts,
    silent_s=st.sampled_from([0.0, 25.0, 90.0]),
    fallback=st.sampled_from(["currentReplicas", "static", "currentReplicasIfHigher"]),
    pause=st.sampled_from([{}, {"scaleIn": True}, {"scaleOut": True}, {"replicas": 9}]),
    quiet=st.sampled_from([(0, None), (0, 0.0), (60, 60.0), (900, 900.0)]),
    doublings=st.integers(0, 3),
    edge=st.builds(Edge, st.just(20.0), counts, st.just(1), counts),
    drain=st.sampled_from([{}, {"budgetSeconds": 20}]),
)
def test_a_larger_wish_never_comes_out_smaller(
    up: dict[str, Any],
    down: dict[str, Any],
    current: int,
    wished: list[tuple[int, int]],
    wishes: tuple[int, int],
    starting: int,
    silent_s: float,
    fallback: str,
    pause: dict[str, Any],
    quiet: tuple[int, float | None],
    doublings: int,
    edge: Edge,
    drain: dict[str, Any],
) -> None:
    """Behind all guards, with the same past: and within the bounds."""
    spec = agent(
        replicas={"min": 0, "max": 30},
        behavior={"scaleUp": up, "scaleDown": down},
        fallback={"behavior": fallback, "replicas": 5},
        pause=pause,
        drain=drain,
    ).spec
    past = sorted(wished, reverse=True)
    context = Context(
        now=10_000.0,
        spec=spec,
        current=current,
        ready=current,
        starting=starting,
        horizon_s=40.0,
        silent_s=silent_s,
        latency_driven=False,
        window_s=160.0,
        wished=Wishes((10_000.0 - age, wish) for age, wish in past),
        scaled=[(9_980.0, current + 3, current), (9_990.0, current, current)],
        limits=Limits(spec).at(10_000.0, 40.0),
        quiet_s=quiet[0],
        event_s=quiet[1],
        in_flight={"a": 0, "b": 3, "c": 100},
        ended_per_s=1.0,
        doublings=doublings,
        edge=edge,
    )
    out = []
    for wish in sorted(wishes):
        final = wish
        for guard in GUARDS:
            mark = guard(final, context)
            if mark is not None:
                assert mark.replicas != final, f"{guard.__name__} changes nothing, and says why"
                final = mark.replicas
        assert 0 <= final <= 30
        out.append(final)
    assert out == sorted(out)


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.__name__ for guard in GUARDS])
def test_every_guard_says_its_name_and_leaves_its_context_as_it_is(guard: Any) -> None:
    spec = agent(replicas={"min": 0, "max": 30}).spec
    wished = Wishes([(990.0, 7)])
    context = Context(
        now=1000.0,
        spec=spec,
        current=5,
        ready=5,
        starting=0,
        horizon_s=40.0,
        silent_s=500.0,
        latency_driven=True,
        window_s=160.0,
        wished=wished,
        scaled=[(990.0, 7, 5)],
        limits=Limits(spec).at(1000.0, 40.0),
        doublings=2,
        edge=Edge(4.5, tried=5, times=1, held=5, until=1e10),
    )
    for wish in (0, 4, 5, 6, 90):
        mark = guard(wish, context)
        assert mark is None or (mark.why and mark.constraint and mark.replicas >= 0)
    assert (wished.highs, wished.lows, context.scaled) == (
        [(990.0, 7)],
        [(990.0, 7)],
        [(990.0, 7, 5)],
    )
    assert guard.__module__ == f"models.policy.{guard.__name__}"
