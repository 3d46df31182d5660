"""No leaks: two worlds with one past and two futures look the same until they part.

The futures differ in everything that a service could not know at the moment of parting: arrivals
to come, completion lengths of requests that have not ended, start-up times of replicas that are
not ready, failures that have not happened.
"""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plant import Batching, ConstantStartup, Failures, Plant, PlantEvent, PlantParameters
from lab.traces import Arrival
from lab.traces.session import Call, Session

PARTING = 60.0
STEP = 2.5
WISHES = (3, 4, 5, 5, 2, 6)
"""Ten seconds each: starts that are given up, a busy replica that drains, starts at the parting."""
BASE = PlantParameters(
    slots=3,
    initial_replicas=3,
    startup=ConstantStartup(PARTING + 5.0),
    queue_limit=20,
    gauge_every_s=1.0,
)
PLANTS = {
    "slots": BASE,
    "batching": dataclasses.replace(BASE, batching=Batching(kv_s_per_token=1e-5), slots=16),
    "memory": dataclasses.replace(BASE, batching=Batching(kv_tokens=8000), slots=16),
    "in turn": dataclasses.replace(BASE, routing="even"),
}


def arrivals(seed: int, count: int = 300) -> list[Arrival]:
    chance = random.Random(seed)
    at, found = 0.0, []
    for _ in range(count):
        at += chance.expovariate(2.0)
        prompt, completion = chance.randrange(1, 4000), int(chance.expovariate(1 / 200.0)) + 1
        found.append(Arrival(at_s=at, tokens_in=prompt, tokens_out=completion))
    return found


def agents(seed: int) -> list[Session]:
    chance = random.Random(seed)
    return [
        Session(
            name=f"s-{number}",
            start_s=number * 3.0,
            calls=tuple(
                Call(
                    pause_s=chance.uniform(0.5, 9.0),
                    turn=0,
                    tokens_in=400,
                    tokens_cached=300,
                    tokens_out=chance.randrange(1, 200),
                )
                for _ in range(6)
            ),
        )
        for number in range(15)
    ]


def looks(plant: Plant) -> tuple[list[object], dict[int, float]]:
    """All that a controller that scales blindly sees up to the parting; and when each arrival
    of the plain trace was over (by its place), as only an oracle could say."""
    seen: list[object] = []
    for number in range(round(PARTING / STEP)):
        now = (number + 1) * STEP
        told: list[PlantEvent] = plant.advance(now)
        seen += [told, plant.pods(), plant.ready, plant.starting, plant.desired, plant.in_system]
        plant.scale(WISHES[number // 4], now)
    inside = {request.arrived_at for request in plant._queue}
    inside |= {request.arrived_at for r in plant._replicas for request in r.requests()}
    return seen, {round(at * 1e6): at for at in inside}


@pytest.mark.parametrize("parameters", PLANTS.values(), ids=PLANTS.keys())
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), other=st.integers(10_001, 20_000), longer=st.integers(1, 5000))
def test_two_futures_have_one_past(
    parameters: PlantParameters, seed: int, other: int, longer: int
) -> None:
    past = [a for a in arrivals(seed) if a.at_s <= PARTING]
    one = [*past, *(a for a in arrivals(seed) if a.at_s > PARTING)]
    seen, inside = looks(Plant(one, parameters, seed=1, begin=0.0, sessions=agents(seed)))
    changed = [
        dataclasses.replace(a, tokens_out=a.tokens_out + longer)
        if round(a.at_s * 1e6) in inside
        else a
        for a in past
    ]
    two = [*changed, *(a for a in arrivals(other) if a.at_s > PARTING)]
    parted = dataclasses.replace(parameters, startup=ConstantStartup(500.0))
    again, _ = looks(Plant(two, parted, seed=1, begin=0.0, sessions=agents(seed)))
    assert again == seen
    assert inside, "nothing was in flight: the test would prove nothing"


def test_sessions_to_come_are_not_seen() -> None:
    made = agents(1)
    cut = [
        dataclasses.replace(s, calls=s.calls[:2] if s.start_s > PARTING else s.calls)
        for s in [*made, Session(name="later", start_s=PARTING + 1.0, calls=made[0].calls)]
    ]
    assert looks(Plant([], BASE, seed=1, begin=0.0, sessions=made)) == looks(
        Plant([], BASE, seed=1, begin=0.0, sessions=cut)
    )


def test_failures_to_come_are_not_seen() -> None:
    def run(mtbf_s: float) -> tuple[list[object], dict[int, float]]:
        parameters = dataclasses.replace(BASE, failures=Failures(mtbf_s=mtbf_s))
        return looks(Plant(arrivals(3), parameters, seed=1, begin=0.0))

    assert run(1e8) == run(2e8) == looks(Plant(arrivals(3), BASE, seed=1, begin=0.0))
    assert run(20.0) != run(1e8)


def test_the_comparison_can_fail() -> None:
    """A past that differs shows: one completion that was told, one start-up that was over."""
    past = arrivals(5)
    seen, inside = looks(Plant(past, BASE, seed=1, begin=0.0))
    ended = next(n for n, a in enumerate(past) if round(a.at_s * 1e6) not in inside)
    other = list(past)
    other[ended] = dataclasses.replace(past[ended], tokens_out=past[ended].tokens_out + 1)
    assert looks(Plant(other, BASE, seed=1, begin=0.0))[0] != seen
    quicker = dataclasses.replace(BASE, startup=ConstantStartup(20.0))
    assert looks(Plant(past, quicker, seed=1, begin=0.0))[0] != seen
