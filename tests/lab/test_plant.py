"""The plant's mechanics: what costs, who is drained, what is dropped, what is told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plant import Finished, Gauge, Plant, PlantParameters, Started
from lab.traces import Arrival


def still(replicas: int, slots: int = 1, **more: float) -> PlantParameters:
    """Replicas that are there from the beginning; service time is completion / rate."""
    return PlantParameters(
        slots=slots,
        overhead_s=0.0,
        prefill_per_s=1e12,
        decode_per_s=1000.0,
        initial_replicas=replicas,
        max_replicas=replicas,
        queue_limit=10**9,
        **more,  # type: ignore[arg-type]
    )


def poisson(rate: float, mean_s: float, count: int, seed: int) -> list[Arrival]:
    """Poisson arrivals with exponential service, as tokens at 1,000 a second."""
    chance = random.Random(seed)
    at = 0.0
    arrivals = []
    for _ in range(count):
        at += chance.expovariate(rate)
        tokens = max(round(chance.expovariate(1 / mean_s) * 1000), 1)
        arrivals.append(Arrival(at_s=at, tokens_in=0, tokens_out=tokens))
    return arrivals


def test_a_starting_replica_costs_and_does_not_serve() -> None:
    arrivals = [Arrival(at_s=0.0, tokens_in=0, tokens_out=1000)]
    plant = Plant(arrivals, still(1), seed=1, begin=0.0)
    plant.scale(3, 0.0)
    plant.advance(1.0)
    assert (plant.ready, plant.starting) == (1, 2)
    plant.advance(300.0)
    assert (plant.ready, plant.starting) == (3, 0)
    plant.close()
    assert plant.account.replica_seconds == pytest.approx(900.0)


def test_a_draining_replica_finishes_its_work_and_costs_until_then() -> None:
    arrivals = [Arrival(at_s=0.0, tokens_in=0, tokens_out=10_000)] * 2
    plant = Plant(arrivals, still(2), seed=1, begin=0.0)
    plant.advance(1.0)
    plant.scale(1, 1.0)
    assert len(plant.pods()) == 2
    assert sum(pod.deleting for pod in plant.pods()) == 1
    plant.advance(20.0)
    assert len(plant.pods()) == 1
    plant.close()
    assert plant.account.served == 2
    assert plant.account.replica_seconds == pytest.approx(30.0)


def test_victims_are_those_who_do_not_serve_yet_then_the_least_busy() -> None:
    arrivals = [Arrival(at_s=0.0, tokens_in=0, tokens_out=50_000)] * 3
    plant = Plant(arrivals, still(2, slots=2), seed=1, begin=0.0)
    plant.advance(1.0)
    plant.scale(3, 1.0)
    plant.scale(2, 1.0)
    assert plant.starting == 0
    plant.scale(1, 1.0)
    deleting = [pod.name for pod in plant.pods() if pod.deleting]
    assert deleting == ["replica-0002"]  # One request against two.


def test_beyond_the_queue_limit_requests_are_dropped_and_counted() -> None:
    arrivals = [Arrival(at_s=0.0, tokens_in=0, tokens_out=1000)] * 10
    parameters = PlantParameters(slots=1, initial_replicas=1, queue_limit=3)
    plant = Plant(arrivals, parameters, seed=1, begin=0.0)
    events = plant.advance(1000.0)
    dropped = [e for e in events if isinstance(e, Finished) and e.pod is None]
    assert len(dropped) == plant.account.dropped == 6
    assert plant.account.served == 4
    assert plant.account.violation_share() >= 0.6


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.05, 30.0), min_size=1, max_size=20), st.integers(0, 5))
def test_how_often_it_is_advanced_changes_nothing(steps: list[float], seed: int) -> None:
    arrivals = poisson(2.0, 1.0, 100, seed=seed)
    once = Plant(arrivals, still(2), seed=seed, begin=0.0)
    often = Plant(arrivals, still(2), seed=seed, begin=0.0)
    now, found = 0.0, []
    for step in steps:
        now += step
        found += often.advance(now)
    assert found == once.advance(now)


def test_it_tells_only_what_a_service_could_know() -> None:
    arrivals = [Arrival(at_s=1.0, tokens_in=7, tokens_out=99)]
    plant = Plant(arrivals, still(1), seed=1, begin=100.0)
    events = plant.advance(101.0)
    (started,) = [e for e in events if isinstance(e, Started)]
    assert not hasattr(started, "tokens_out")
    assert all(not isinstance(e, Finished) for e in events)
    assert any(isinstance(e, Gauge) and e.pod == "replica-0001" for e in events)
