"""A workload with nothing but an SLO: what the Scaler makes of what is learned."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from models import by_latency, sketch
from models.domain.decision import Reason
from models.domain.load import Load, PodGauge, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.domain.telemetry import Request
from models.fleet import Fleet, MemberState
from models.merge import MergeState
from models.scaler import Scaler
from models.step import SpecChange, Step
from models.wish import Kind, Wish, words
from tests.models.fleets import Driver

BEGIN = 1_700_000_000
W = "prod/bot"


def agent(**spec: Any) -> AgentScaler:
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "bot", "namespace": "prod"},
            "spec": {
                "target": {"name": "bot"},
                "replicas": {"min": 1, "max": 50},
                "slo": {"latencySeconds": 2.0, "violations": 0.01},
                **spec,
            },
        }
    )


class World:
    """A service without queueing: at up to ``knee`` per replica all is fast, above all is slow.

    ``unit`` is what the knee is of: a replica of concurrency (requests/s times 0.5 s), or of
    tokens/s (requests/s times ``tokens``).  Replicas follow decisions at once.
    """

    def __init__(self, knee: float, unit: str = "requests", *, seed: int = 1, **spec: Any) -> None:
        self.fleet = Fleet(lateness_s=1.0, valid_s=30.0)
        self.knee, self.unit = knee, unit
        self.now, self.replicas, self.count = BEGIN, 10, 0
        self.pace, self.tokens, self.gauges = 1.0, 10.0, True
        self.obey = True
        self.steps: list[Step] = []
        self.decisions: list[Any] = []
        self._specs = (SpecChange(workload=W, revision=1, spec=agent(**spec)),)
        self._chance = random.Random(seed)

    @property
    def scaler(self) -> Scaler:
        return self.fleet.scaler(W)

    def respec(self, revision: int, **spec: Any) -> None:
        self._specs = (SpecChange(workload=W, revision=revision, spec=agent(**spec)),)

    def second(self, rate: float) -> None:
        self.now += 1
        self.count += 1
        requests = round(rate + self._chance.gauss(0, rate**0.5 / 4))
        load = requests * (self.tokens if self.unit == "tokens" else 1.0) / self.replicas
        slow = load > self.knee
        latency_us = round((4e6 if slow else 0.5e6 * self.pace) * self._chance.uniform(0.8, 1.2))
        in_flight = round(requests * latency_us / 1e6)
        gauge = {"p": PodGauge(at_us=self.now * 1_000_000, in_flight=in_flight, queue_depth=0)}
        report = ReplicaGauge(
            at_us=self.now * 1_000_000, desired=self.replicas, ready=self.replicas, starting=0
        )
        source = SourceProgress(
            source=0, position=self.count + 1, watermark=float(self.now + 1), done=self.count
        )
        records = (
            Load(
                workload=W,
                second=self.now,
                source=0,
                block=self.count,
                reach=self.count,
                sent_us=self.now * 1_000_000,
                events=2 * requests + 2,
                started=requests,
                finished=requests,
                latency_count=requests,
                latency_us=latency_us * requests,
                latency={sketch.bucket(latency_us): requests} if requests else {},
                tokens_in=round(requests * self.tokens),
                tokens_in_started=round(requests * self.tokens),
                pods=gauge if self.gauges else {},
                replicas={"default": report},
            ),
            Progress(sources=1, progress=(source,)),
        )
        step = Step(
            now=self.now + 1.2, generation=1, era=0, specs=self._specs, records=records, tick=True
        )
        self._specs = ()
        self.steps.append(step)
        result = self.fleet.apply(step)
        self.decisions.extend(result.decisions)
        if self.obey and result.decisions:
            self.replicas = result.decisions[-1].to.replicas["default"]

    def minutes(self, count: float, rate: float) -> None:
        for _ in range(round(count * 60)):
            self.second(rate)


def told(scaler: Scaler, kind: Kind, value: float) -> str:
    return words(Wish(0, Reason.FORECAST, kind, value), scaler._terms())


def test_until_enough_is_seen_nothing_is_scaled_in() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(9, 20.0)
    assert world.scaler.capacity() is None
    assert world.replicas == 10
    assert "being learned at 2 s" in told(world.scaler, "unknown", 0.0)


def test_it_goes_down_in_small_steps_and_comes_to_the_knee() -> None:
    world = World(8.0, demand={"unit": "requests"}, behavior={"scaleDown": {}})
    seen = []
    for _ in range(24):
        world.minutes(10, 40.0)
        seen.append(world.scaler.capacity())
    known = [value for value in seen if value is not None]
    assert known[0] < 6.0
    assert 6.8 <= known[-1] <= 9.2, known
    # 40 a second at a knee of 8 are 5 replicas, and some for the noise of a second.
    assert 5 <= world.replicas <= 8
    assert any(d.reason is Reason.FORECAST for d in world.decisions)
    falls = [sum(d.from_.replicas.values()) - sum(d.to.replicas.values()) for d in world.decisions]
    assert max(falls) <= 2


def test_a_miss_goes_up_although_the_capacity_says_there_is_enough() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(15, 40.0)
    assert world.scaler.capacity() is not None
    before = world.replicas
    world.knee = 1.0  # Whatever happened: all is slow now.
    world.minutes(1, 40.0)
    assert world.replicas > before
    assert Reason.SLO_MISSED in {d.reason for d in world.decisions}


def test_a_slower_release_is_noticed_and_said() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(60, 40.0)
    before = world.scaler.capacity()
    world.pace = 1.6
    world.minutes(4, 40.0)
    after = world.scaler.capacity()
    assert before is not None
    assert after == pytest.approx(before / 1.6, rel=0.1)
    words = told(world.scaler, "ahead", 40.0)
    times = "a new release is slower: latency at the same load is 1.6 times what it was"
    assert f"{times}, capacity {before:.3g} -> " in words
    world.minutes(61, 40.0)
    assert "slower" not in told(world.scaler, "ahead", 40.0)


def test_the_decision_says_what_was_learned_and_from_how_much() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(30, 40.0)
    world.minutes(5, 80.0)
    decision = world.decisions[-1]
    assert decision.inputs.unit == "requests"
    assert decision.inputs.capacity_per_replica is not None
    why = decision.trail[0].why
    assert (
        f"learned: {decision.inputs.capacity_per_replica:.3g} requests/s a replica at 2 s (" in why
    )
    assert "steps, 0.0% over)" in why
    assert all(a.overload_probability is not None for a in decision.alternatives)


def test_given_counts_and_nothing_is_learned() -> None:
    world = World(8.0, demand={"unit": "requests", "perReplica": 5})
    world.minutes(2, 40.0)
    assert world.scaler.learner is None
    assert world.scaler.capacity() == 5.0
    without = Scaler(W, agent(slo=None).spec, world.fleet.merge.window(W))
    assert (without.learner, without.capacity()) == (None, None)


def test_the_unit_is_learned_only_where_it_is_left_out() -> None:
    left_out, given = World(8.0), World(8.0, demand={"unit": "concurrency"})
    for world in (left_out, given):
        world.minutes(1, 40.0)
        assert world.scaler.learner is not None
    assert left_out.scaler.demand.unit == "requests"
    assert given.scaler.demand.unit == "concurrency"
    assert left_out.scaler.learner is not None
    assert given.scaler.learner is not None
    assert left_out.scaler.learner.units == ("requests", "concurrency", "tokens")
    assert given.scaler.learner.units == ("concurrency",)


def test_tokens_are_chosen_where_tokens_are_what_makes_it_slow() -> None:
    """Requests come at one rate; long prompts come and go, and they are what overloads."""
    world = World(60.0, "tokens")
    world.obey, world.gauges = False, False
    chance = random.Random(2)
    units = []
    for _ in range(30):
        world.tokens = chance.choice([5.0, 10.0, 14.0, 22.0])
        for _ in range(300):
            world.second(40.0)
            forecast = world.scaler.forecast()
            if forecast is not None and (not units or units[-1][0] != forecast.unit):
                units.append((forecast.unit, forecast.trust))
    assert units == [("requests", "cold"), ("tokens", "cold")]  # The forecast begins anew.
    capacity = world.scaler.capacity()
    assert capacity is not None
    assert 40 <= capacity <= 69  # 40 a second of 14 tokens on 10 replicas are 56, of 22 are 88.


def test_where_replicas_come_and_go_fine_counts_for_the_most_and_slow_for_the_fewest() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.obey = False
    for second in range(1800):
        world.replicas = 10 if second % 20 < 10 else 14
        world.second(40.0)
    assert world.scaler.learner is not None
    assert world.scaler.learner.loads["requests"] == pytest.approx(40 / 14, rel=0.1)
    world.knee = 1.0
    for second in range(60):
        world.replicas = 10 if second % 20 < 10 else 14
        world.second(40.0)
    assert world.scaler.learner.loads["requests"] == pytest.approx(40 / 10, rel=0.1)


def test_silence_is_no_evidence() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(5, 40.0)
    assert world.scaler.learner is not None
    seen = world.scaler.learner.steps
    world.minutes(10, 0.0)
    assert world.scaler.learner.steps - seen <= 2  # Those that were not over yet.


def test_another_slo_begins_anew_and_another_budget_does_not() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(20, 40.0)
    assert world.scaler.learner is not None
    steps = world.scaler.learner.steps
    world.respec(2, demand={"unit": "requests"}, slo={"latencySeconds": 2.0, "violations": 0.02})
    world.minutes(1, 40.0)
    assert world.scaler.learner.steps > steps
    world.respec(3, demand={"unit": "requests"}, slo={"latencySeconds": 1.5, "violations": 0.02})
    world.minutes(1, 40.0)
    assert world.scaler.learner.steps <= 7
    world.respec(4, demand={"unit": "requests", "perReplica": 4})
    world.minutes(1, 40.0)
    assert world.scaler.capacity() == 4.0


def test_while_nothing_is_known_a_growing_queue_goes_up() -> None:
    driver = Driver(replicas=3, demand={"unit": "requests"}, slo={"latencySeconds": 30.0})
    started = [Request(v=1, workload=W, at=driver.now + 1, phase="started") for _ in range(4)]
    for _ in range(10):
        driver.second(None, events=started)
        started = [msgspec.structs.replace(r, at=driver.now + 1) for r in started]
    assert driver.replicas > 3
    first = driver.decisions[0]
    assert first.reason is Reason.CAPACITY_LEARNING
    assert first.trail[0].why.startswith("more requests start than end; capacity per replica is")


def test_no_scale_in_while_more_starts_than_ends() -> None:
    driver = Driver(replicas=3, demand={"unit": "requests"}, slo={"latencySeconds": 1.0})
    driver.second(1)
    scaler = driver.fleet.scaler(W)
    learner = scaler.learner
    assert learner is not None
    wish = Wish(1, Reason.FORECAST, "ahead", 4.0)
    window = driver.fleet.merge.window(W)
    assert by_latency.held(wish, window, learner, 3, 0, 100.0) == wish
    for second in range(15):
        started = Load(
            workload=W,
            second=int(driver.now) + second,
            source=1,
            block=second,
            reach=second,
            sent_us=0,
            events=10,
            started=10,
            finished=5,
        )
        window.add(started, None)
    held = by_latency.held(wish, window, learner, 3, 0, 100.0)
    assert held[:3] == (3, Reason.CAPACITY_LEARNING, "piling")
    more = wish._replace(replicas=5)
    assert by_latency.held(more, window, learner, 3, 0, 100.0) == more


@pytest.mark.parametrize("demand", [{}, {"unit": "tokens"}])
def test_a_restored_learner_goes_on_byte_for_byte(demand: dict[str, str]) -> None:
    world = World(60.0, "tokens", demand=demand)
    chance = random.Random(4)
    pack = msgspec.msgpack.encode
    restored: Fleet | None = None
    for minute in range(60):
        world.tokens = chance.choice([5.0, 10.0, 14.0, 22.0])
        if minute == 35:
            world.pace = 1.7
        for second in range(60):
            if (minute, second) == (30, 17):
                (state,) = world.fleet.states([W], 0)
                restored = Fleet(lateness_s=1.0, valid_s=30.0)
                heads = msgspec.msgpack.decode(pack(world.fleet.merge.state()), type=MergeState)
                restored.merge.restore(heads)
                restored.restore(msgspec.msgpack.decode(pack(state), type=MemberState))
            before = len(world.decisions)
            world.second(40.0)
            if restored is not None:
                again = restored.apply(world.steps[-1]).decisions
                assert msgspec.json.encode(again) == msgspec.json.encode(world.decisions[before:])
    assert restored is not None
    assert pack(restored.states([W], 0)) == pack(world.fleet.states([W], 0))
    assert restored.scaler(W).capacity() is not None
