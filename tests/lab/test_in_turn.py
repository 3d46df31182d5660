"""Requests sent to replicas in turn: each has its own queue, whatever it is and has to do."""

from __future__ import annotations

import dataclasses
import math
import random
from statistics import fmean, stdev

import pytest

from lab.plant import (
    Batching,
    ConstantStartup,
    Failures,
    Finished,
    Gauge,
    Plant,
    PlantParameters,
    Variant,
)
from lab.plant.theory import in_turn
from lab.traces import Arrival

QUIET = PlantParameters(
    slots=1,
    overhead_s=0.0,
    prefill_per_s=1e12,
    decode_per_s=1.0,
    initial_replicas=2,
    startup=ConstantStartup(10.0),
    gauge_every_s=1.0,
    routing="even",
)
"""A completion of n tokens takes n seconds."""


def requests(*rows: tuple[float, int]) -> list[Arrival]:
    return [Arrival(at_s=at, tokens_in=0, tokens_out=out) for at, out in rows]


def ended(plant: Plant, now: float) -> list[tuple[str | None, float]]:
    """(pod, when) of what was over by ``now``."""
    return [(e.pod, e.at) for e in plant.advance(now) if isinstance(e, Finished)]


def test_turns_are_taken_whatever_there_is_to_do() -> None:
    """The third request waits behind the first, though the second replica is long free."""
    plant = Plant(requests((0.0, 100), (0.1, 1), (50.0, 1)), QUIET, seed=1, begin=0.0)
    one, two = "replica-0001", "replica-0002"
    assert ended(plant, 120.0) == [(two, 1.1), (one, 100.0), (one, 101.0)]
    plant.close()
    shared = dataclasses.replace(QUIET, routing="shared")
    plant = Plant(requests((0.0, 100), (0.1, 1), (50.0, 1)), shared, seed=1, begin=0.0)
    assert ended(plant, 120.0) == [(two, 1.1), (two, 51.0), (one, 100.0)]


def test_what_waits_at_a_replica_is_its_own_gauge() -> None:
    plant = Plant(requests(*((0.0, 9),) * 5), QUIET, seed=1, begin=0.0)
    gauges = [e for e in plant.advance(1.0) if isinstance(e, Gauge)]
    assert [(g.in_flight, g.queue_depth) for g in gauges] == [(1, 2), (1, 1)]
    assert plant.in_system == 5


def test_requests_are_dropped_where_too_many_wait_at_the_replica() -> None:
    """At the busy one of two variants; the request names it, as it was sent there."""
    slow = Variant(name="slow", slots=1, decode_per_s=1.0, overhead_s=0.0, initial_replicas=1)
    fast = dataclasses.replace(slow, name="fast", decode_per_s=100.0)
    parameters = dataclasses.replace(QUIET, variants=(slow, fast), queue_limit=1)
    plant = Plant(requests(*((n * 0.5, 10) for n in range(8))), parameters, seed=1, begin=0.0)
    events = [e for e in plant.advance(100.0) if isinstance(e, Finished)]
    # Of the four that go to the slow one it serves one, and one waits.
    assert [(e.status, e.variant) for e in events if e.status != "ok"] == [("dropped", "slow")] * 2
    assert [e.variant for e in events if e.status == "ok"] == ["fast"] * 4 + ["slow"] * 2
    plant.close()


def test_who_drains_ends_what_it_has_and_is_sent_nothing() -> None:
    plant = Plant(requests(*((0.0, 5),) * 4, (1.0, 1), (2.0, 1)), QUIET, seed=1, begin=0.0)
    plant.advance(0.5)
    plant.scale(1, 0.5)
    found = ended(plant, 100.0)
    assert [at for pod, at in found if pod == "replica-0001"] == [5.0, 10.0]
    assert [at for pod, at in found if pod == "replica-0002"] == [5.0, 10.0, 11.0, 12.0]
    assert plant.account.spent_s(100.0) == 100.0 + 10.0
    plant.close()


def test_who_has_least_to_do_goes_and_what_waits_counts() -> None:
    """Each serves one; behind the first's another waits."""
    plant = Plant(requests(*((0.0, 50),) * 3), QUIET, seed=1, begin=0.0)
    plant.advance(1.0)
    plant.scale(1, 1.0)
    assert [pod.name for pod in plant.pods() if pod.deleting] == ["replica-0002"]


def test_what_waits_where_a_replica_fails_is_tried_again_elsewhere() -> None:
    """Each once: the books balance, and nothing is forgotten in a queue that is no more."""
    parameters = dataclasses.replace(QUIET, failures=Failures(mtbf_s=40.0))
    plant = Plant(requests(*((n * 0.1, 3) for n in range(20))), parameters, seed=2, begin=0.0)
    plant.advance(2000.0)
    plant.close()
    account = plant.account
    assert account.retried > 1
    assert account.served + account.lost == 20


def test_while_none_serves_requests_wait_at_the_gateway() -> None:
    parameters = dataclasses.replace(QUIET, initial_replicas=0, queue_limit=2)
    plant = Plant(requests((0.0, 1), (1.0, 1), (2.0, 1)), parameters, seed=1, begin=0.0)
    plant.advance(5.0)
    plant.scale(1, 5.0)
    plant.advance(30.0)
    plant.close()
    assert (plant.account.dropped, plant.account.served) == (1, 2)


def test_one_replica_in_turn_is_one_replica_with_a_queue() -> None:
    chance = random.Random(4)
    at, made = 0.0, []
    for _ in range(400):
        at += chance.expovariate(2.0)
        made.append(Arrival(at_s=at, tokens_in=300, tokens_out=int(chance.expovariate(0.02))))
    alone = PlantParameters(
        batching=Batching(kv_tokens=6000), slots=16, initial_replicas=1, queue_limit=500
    )
    runs = []
    for parameters in (alone, dataclasses.replace(alone, routing="even")):
        plant = Plant(made, parameters, seed=1, begin=0.0)
        plant.advance(at + 1000.0)
        plant.close()
        runs.append(plant.account.latencies)
    assert runs[0] == runs[1]
    assert max(latency for _, latency in runs[0]) > 5.0


RUNS, EACH = 20, 4000


def test_a_mixed_fleet_against_theory() -> None:
    """Two servers, one half as fast, in turn: E2/M/1 each, at loads of 0.4 and 0.8.

    The mean sojourn of requests that name a variant, of 20 runs, is within 4 of its standard
    errors of theory, and more than 5 off what it would be were they sent at random (M/M/1).
    """
    tokens = 10_000
    one = Variant(
        name="fast",
        slots=1,
        overhead_s=0.0,
        prefill_per_s=1e12,
        decode_per_s=tokens,
        initial_replicas=1,
    )
    slow = dataclasses.replace(one, name="slow", decode_per_s=tokens / 2)
    parameters = PlantParameters(
        variants=(one, slow), routing="even", queue_limit=10**9, gauge_every_s=1e12
    )
    rate = 0.8
    means: dict[str, list[float]] = {"fast": [], "slow": []}
    for run in range(RUNS):
        chance = random.Random(f"mixed {run}")
        at, made = 0.0, []
        for _ in range(EACH):
            at += chance.expovariate(rate)
            size = max(round(tokens * chance.expovariate(1.0)), 1)
            made.append(Arrival(at_s=at, tokens_in=0, tokens_out=size))
        plant = Plant(made, parameters, seed=0, begin=0.0)
        told = [e for e in plant.advance(at + 1e5) if isinstance(e, Finished)]
        plant.close()
        for name, found in means.items():
            mine = [e.latency_s for e in told if e.variant == name]
            assert len(mine) == EACH / 2
            found.append(fmean(mine[EACH // 20 :]))
    for name, mean_s in (("fast", 1.0), ("slow", 2.0)):
        error = stdev(means[name]) / math.sqrt(RUNS)
        measured = fmean(means[name])
        theory = in_turn(rate=rate, mean_s=mean_s, replicas=2).sojourn_s
        at_random = 1 / (1 / mean_s - rate / 2)
        assert abs(measured - theory) < 4 * error, (name, measured, theory, error)
        assert abs(measured - at_random) > 5 * error, (name, measured, at_random, error)


def test_theory_of_turns_by_hand() -> None:
    """One replica is M/M/1; of two the root solves s = (2 r / (2 r + 1 - s))**2, r a replica's."""
    one = in_turn(rate=0.5, mean_s=1.0, replicas=1)
    assert (one.waits, one.wait_s, one.sojourn_s) == pytest.approx((0.5, 1.0, 2.0))
    two = in_turn(rate=1.4, mean_s=1.0, replicas=2)
    assert two.waits == pytest.approx((1.4 / (2.4 - two.waits)) ** 2)
    assert (two.waits, two.wait_s) == pytest.approx((0.616, 1.60), rel=0.01)
    with pytest.raises(ValueError, match="no steady state"):
        in_turn(rate=2.0, mean_s=1.0, replicas=2)


def test_a_routing_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="routing is 'random', shared or even was expected"):
        PlantParameters(routing="random")  # type: ignore[arg-type]
    assert any("in turn" in line for line in QUIET.lines())
    assert not any("in turn" in line for line in PlantParameters().lines())
