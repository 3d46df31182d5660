"""Failures, draining, sessions: what becomes of requests, and that the books balance throughout."""

from __future__ import annotations

import dataclasses
import random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plant import (
    AccountError,
    Batching,
    ConstantStartup,
    Failures,
    Finished,
    Plant,
    PlantParameters,
    Variant,
)
from lab.traces import Arrival
from lab.traces.session import Call, Session

QUIET = PlantParameters(
    slots=1,
    overhead_s=0.0,
    prefill_per_s=1e12,
    decode_per_s=1.0,
    initial_replicas=1,
    startup=ConstantStartup(10.0),
    gauge_every_s=1e9,
)
"""A completion of n tokens takes n seconds."""


def requests(*rows: tuple[float, int]) -> list[Arrival]:
    return [Arrival(at_s=at, tokens_in=0, tokens_out=out) for at, out in rows]


def poisson(rate: float, count: int, seed: int) -> list[Arrival]:
    chance = random.Random(seed)
    at, found = 0.0, []
    for _ in range(count):
        at += chance.expovariate(rate)
        out = int(chance.expovariate(1 / 100.0))
        found.append(Arrival(at_s=at, tokens_in=chance.randrange(3000), tokens_out=out))
    return found


SCENARIOS = {
    "slots": PlantParameters(),
    "batching": PlantParameters(batching=Batching(), slots=8),
    "memory": PlantParameters(batching=Batching(kv_tokens=4000), slots=8),
    "drops": PlantParameters(queue_limit=2, slots=1),
    "no queue": PlantParameters(queue_limit=0, slots=1),
    "failures, retried": PlantParameters(failures=Failures(mtbf_s=20.0)),
    "failures, lost": PlantParameters(failures=Failures(mtbf_s=20.0, in_flight="lost")),
    "batch failures": PlantParameters(
        batching=Batching(), slots=8, failures=Failures(mtbf_s=20.0), grace_s=3.0
    ),
    "grace": PlantParameters(grace_s=0.5),
    "variants": PlantParameters(
        variants=(
            Variant(name="a", initial_replicas=1, startup=ConstantStartup(5.0)),
            Variant(name="b", initial_replicas=1, batching=Batching(), slots=16),
        )
    ),
}
SCENARIOS |= {
    f"{name}, in turn": dataclasses.replace(SCENARIOS[name], routing="even")
    for name in ("slots", "memory", "drops", "no queue", "failures, lost", "batch failures")
}
SCENARIOS |= {
    "variants and failures, in turn": dataclasses.replace(
        SCENARIOS["variants"], routing="even", grace_s=3.0, failures=Failures(mtbf_s=20.0)
    )
}


@pytest.mark.parametrize("parameters", SCENARIOS.values(), ids=SCENARIOS.keys())
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 20.0), st.integers(0, 6)), min_size=1, max_size=12),
    st.integers(0, 3),
)
def test_the_books_balance_whenever_a_run_ends(
    parameters: PlantParameters, moves: list[tuple[float, int]], seed: int
) -> None:
    """Little's law and conservation are in ``close``; the clock is Unix time, as in the demo."""
    calls = tuple(
        Call(pause_s=1.0, turn=0, tokens_in=500, tokens_cached=100, tokens_out=20) for _ in range(5)
    )
    agents = [Session(name=f"s-{n}", start_s=n * 7.0, calls=calls) for n in range(4)]
    begin = 1_795_512_224.77
    plant = Plant(poisson(3.0, 120, seed), parameters, seed=seed, begin=begin, sessions=agents)
    now, ended = begin, 0
    for step, replicas in moves:
        now += step
        ended += sum(isinstance(event, Finished) for event in plant.advance(now))
        plant.scale(replicas, now)
    plant.close()
    account = plant.account
    assert ended == account.served + account.dropped + account.lost
    assert account.arrived == ended + plant.in_system


def test_books_that_do_not_balance_are_found_out() -> None:
    forgotten = Plant(requests((0.0, 5), (0.0, 5)), QUIET, seed=1, begin=0.0)
    forgotten.advance(1.0)
    forgotten._queue.clear()
    with pytest.raises(AccountError, match="2 requests arrived, but 0 served"):
        forgotten.close()
    misdated = Plant(requests((0.0, 5), (0.0, 5)), QUIET, seed=1, begin=0.0)
    misdated.advance(1.0)
    misdated._queue[0].arrived_at += 0.5
    with pytest.raises(AccountError, match="Little's law"):
        misdated.close()


def test_littles_law_of_a_whole_run() -> None:
    """L = lambda W, with L from the samples of the gauges: a measurement, not the same sum."""
    trace = poisson(3.0, 20_000, 9)
    plant = Plant(trace, PlantParameters(initial_replicas=3), seed=1, begin=0.0)
    plant.advance(trace[-1].at_s)
    sampled = fmean(row[1] for row in plant.account.series)
    rate = plant.account.served / trace[-1].at_s
    mean_s = fmean(latency for _, latency in plant.account.latencies)
    assert plant.account.mean_in_system() == pytest.approx(rate * mean_s, rel=0.005)
    assert sampled == pytest.approx(rate * mean_s, rel=0.03)


def test_a_failure_interrupts_restarts_and_retries_once() -> None:
    """100 s of work on a replica that fails every 30 s in the mean: it is lost, after two tries."""
    parameters = dataclasses.replace(QUIET, failures=Failures(mtbf_s=30.0))
    plant = Plant(requests((0.0, 10_000)), parameters, seed=3, begin=0.0)
    events = []
    down_s = 0
    for now in range(1, 2000):
        events += plant.advance(float(now))
        down_s += plant.ready == 0
        if plant.drained:
            break
    account = plant.account
    plant.close()
    assert (account.retried, account.lost, account.served) == (1, 1, 0)
    (ended,) = [event for event in events if isinstance(event, Finished)]
    assert (ended.status, ended.pod, ended.tokens_out) == ("error", None, 0)
    assert account.violation_share() == 1.0
    # Restarted in place, and paid for while it did: one restart of 10 s in between.
    assert plant.pods()[0].name == "replica-0001"
    assert 9 <= down_s <= 12
    assert account.replica_seconds == pytest.approx(plant.now)


def test_what_was_in_flight_is_lost_at_once_if_so_asked() -> None:
    parameters = dataclasses.replace(QUIET, failures=Failures(mtbf_s=30.0, in_flight="lost"))
    plant = Plant(requests((0.0, 10_000)), parameters, seed=3, begin=0.0)
    plant.advance(1000.0)
    plant.close()
    assert (plant.account.retried, plant.account.lost) == (0, 1)


def test_failures_come_as_often_as_they_should_and_are_the_seed_s() -> None:
    """A renewal process: a life of 50 s and a restart of 10 s in the mean, over 60,000 s.

    1,000 failures, with a deviation of sqrt(1000) * 50 / 60 = 26.
    """
    parameters = dataclasses.replace(QUIET, failures=Failures(mtbf_s=50.0))

    def failures(seed: int) -> int:
        plant = Plant([], parameters, seed=seed, begin=0.0)
        plant.advance(60_000.0)
        return plant.account.failures

    assert failures(1) == pytest.approx(1000, abs=4 * 26)
    assert failures(1) == failures(1) != failures(2)


def test_failures_do_not_change_how_long_replicas_take_to_start() -> None:
    started = []
    for failures in (None, Failures(mtbf_s=15.0)):
        plant = Plant([], PlantParameters(failures=failures), seed=4, begin=0.0)
        plant.advance(30.0)
        plant.scale(6, 30.0)
        found: dict[str, float] = {}
        for now in range(31, 150):
            plant.advance(float(now))
            for pod in plant.pods():
                if pod.ready_at is not None:
                    found.setdefault(pod.name, pod.ready_at)
        started.append([found[f"replica-{number:04d}"] for number in range(3, 7)])
    assert started[0] == started[1]


def test_a_grace_that_is_over_ends_what_is_left() -> None:
    parameters = dataclasses.replace(QUIET, initial_replicas=2, grace_s=5.0)
    plant = Plant(requests((0.0, 4), (0.0, 50)), parameters, seed=1, begin=0.0)
    plant.advance(1.0)
    plant.scale(0, 1.0)
    plant.advance(5.9)
    assert [pod.deleting for pod in plant.pods()] == [True]
    plant.advance(6.0)
    plant.close()
    assert plant.pods() == []
    assert (plant.account.served, plant.account.lost) == (1, 1)
    assert plant.account.replica_seconds == pytest.approx(4.0 + 6.0)


def test_what_nobody_serves_is_a_violation_once_it_is_older_than_the_slo() -> None:
    parameters = dataclasses.replace(QUIET, slo_s=10.0)
    plant = Plant(requests((0.0, 1), (1.0, 1), (15.0, 1)), parameters, seed=1, begin=0.0)
    plant.advance(0.5)
    plant.scale(0, 0.5)
    plant.advance(20.0)
    plant.close()
    # The first is served; the second waits 19 s, the third 5 s.
    assert (plant.account.served, plant.account.overdue) == (1, 1)
    assert plant.account.violation_share() == 0.5


def test_with_no_queue_only_who_finds_a_slot_is_served() -> None:
    parameters = dataclasses.replace(QUIET, queue_limit=0)
    plant = Plant(requests((0.0, 5), (1.0, 5), (6.0, 5)), parameters, seed=1, begin=0.0)
    plant.advance(100.0)
    plant.close()
    assert (plant.account.served, plant.account.dropped) == (2, 1)


def test_tenants_have_their_own_violations() -> None:
    trace = [
        Arrival(at_s=0.0, tokens_in=0, tokens_out=5, tenant="a"),
        Arrival(at_s=1.0, tokens_in=0, tokens_out=20, tenant="b"),
        Arrival(at_s=2.0, tokens_in=0, tokens_out=1, tenant="a"),
    ]
    plant = Plant(trace, QUIET, seed=1, begin=0.0)
    events = plant.advance(100.0)
    assert plant.account.tenants == {"a": [2, 1], "b": [1, 1]}
    assert [e.tenant for e in events if isinstance(e, Finished)] == ["a", "b", "a"]


def test_the_least_loaded_replica_is_next_by_its_share_of_slots() -> None:
    variants = (
        Variant(name="big", slots=4, initial_replicas=1, startup=ConstantStartup(1.0)),
        Variant(name="small", slots=2, initial_replicas=1, startup=ConstantStartup(1.0)),
    )
    parameters = PlantParameters(variants=variants, gauge_every_s=1.0)
    trace = [Arrival(at_s=0.0, tokens_in=0, tokens_out=1000)] * 5
    plant = Plant(trace, parameters, seed=1, begin=0.0)
    plant.advance(1.0)
    # big 1/4, small 1/2, big 2/4, then big (0.5, the older of equals), then small.
    assert [len(replica.flights) for replica in plant._replicas] == [3, 2]


def test_a_plant_that_tells_only_gauges_has_the_same_books() -> None:
    trace = poisson(3.0, 500, 2)
    told = Plant(trace, PlantParameters(), seed=1, begin=0.0)
    quiet = Plant(trace, PlantParameters(), seed=1, begin=0.0, tell=False)
    assert any(isinstance(event, Finished) for event in told.advance(200.0))
    assert not any(isinstance(event, Finished) for event in quiet.advance(200.0))
    assert told.account.latencies == quiet.account.latencies
