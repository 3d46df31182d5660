"""Traffic that is not open: agents that wait for answers, and clients that ask again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import pytest

from lab.planner import BEGIN
from lab.plant import ConstantStartup, Plant, PlantParameters
from lab.plant.foretide import Foretide
from lab.plant.replica import Replica, Request
from lab.traces import Arrival
from lab.traces.session import Call, Session
from models.domain.spec import AgentScaler

TOKENS = {"tokens_in": 500, "tokens_out": 72}
"""2 s of one of a replica's four slots, so that it serves 2 a second."""

PARAMETERS = PlantParameters(
    initial_replicas=4, max_replicas=200, slo_s=10.0, startup=ConstantStartup(60.0)
)

UNITS = [("concurrency", 3.0), ("requests", 1.3)]
"""What a user would say of such a replica: some of it is left."""


def foretide(plant: Plant, unit: str, per_replica: float) -> Foretide:
    spec = {
        "target": {"name": "service"},
        "replicas": {"min": 1, "max": PARAMETERS.max_replicas},
        "demand": {"unit": unit, "perReplica": per_replica},
        "slo": {"latencySeconds": PARAMETERS.slo_s, "violations": 0.01},
    }
    metadata = {"name": "service", "namespace": "lab"}
    return Foretide(plant, AgentScaler.model_validate({"metadata": metadata, "spec": spec}))


def run(ours: Foretide, seconds: int) -> list[int]:
    """Replicas asked for, by second."""
    desired = []
    for _ in range(seconds):
        ours.second()
        desired.append(ours.plant.desired)
    ours.plant.close()
    return desired


def slowest(plant: Plant, since_s: int) -> float:
    """Of answers from ``since_s`` on."""
    return max(latency_s for at, latency_s in plant.account.latencies if at >= BEGIN + since_s)


def agent(number: int, start_s: float, chance: random.Random) -> Session:
    """Asks, waits for the answer, thinks for 4 s in the mean, asks again."""
    calls = (
        Call(pause_s=chance.expovariate(1 / 4.0), turn=turn, tokens_cached=0, **TOKENS)
        for turn in range(400)
    )
    return Session(name=f"agent-{number}", start_s=start_s, calls=tuple(calls))


@pytest.mark.parametrize(("unit", "per_replica"), UNITS)
def test_agents_that_wait_are_served_and_replicas_settle(unit: str, per_replica: float) -> None:
    """To 20 agents come 100.  While they wait for replicas they ask half as much as they would."""
    chance = random.Random(1)
    agents = [agent(number, chance.uniform(0.0, 10.0), chance) for number in range(20)]
    agents += [agent(number, chance.uniform(300.0, 330.0), chance) for number in range(20, 120)]
    plant = Plant((), PARAMETERS, seed=1, begin=float(BEGIN), sessions=agents)
    desired = run(foretide(plant, unit, per_replica), 1500)
    # 120 agents, each 2 s of every 6 s in the system: 20 a second, 40 at once, 10 full replicas.
    served = sum(at >= BEGIN + 900 for at, _ in plant.account.latencies)
    assert served == pytest.approx(20 * 600, rel=0.03)
    assert slowest(plant, 900) < 2.1
    assert plant.account.violation_share() <= 0.01
    # At most a quarter more than if no agent ever thought; in the end for those 40, and a margin.
    assert max(desired) <= 1.25 * 120 / 3.0
    last = desired[-300:]
    assert min(last) >= 40 / 3.0
    assert max(last) <= 1.75 * 40 / 3.0
    assert max(last) - min(last) <= 2


class Impatient(Plant):
    """A plant whose clients ask again, up to three times; what they asked first stays queued.

    They do so when there was no answer for 8 s, and a second after they were turned away.
    """

    def __init__(self, arrivals: list[Arrival], **more: Any) -> None:
        self._waiting: dict[Request, int] = {}
        """Attempts before this one."""
        self.asked_again: list[float] = []
        super().__init__(arrivals, PARAMETERS, begin=float(BEGIN), **more)

    def _arrive(self, request: Request, at: float) -> None:
        self._waiting.setdefault(request, 0)
        self._schedule(at + 8.0, partial(self._ask_again, request))
        super()._arrive(request, at)

    def _finish(self, replica: Replica, request: Request, attempt: int, at: float) -> None:
        self._waiting.pop(request, None)
        super()._finish(replica, request, attempt, at)

    def _failed(self, request: Request, status: Literal["dropped", "error"], at: float) -> None:
        super()._failed(request, status, at)
        self._schedule(at + 1.0, partial(self._ask_again, request))

    def _ask_again(self, request: Request, at: float) -> None:
        before = self._waiting.pop(request, 3)
        if before < 3:
            again = Request(at, request.tokens_in, request.tokens_out, 0, "", "")
            self._waiting[again] = before + 1
            self.asked_again.append(at - BEGIN)
            self._arrive(again, at)


def arrivals(length_s: float) -> Iterator[Arrival]:
    """Three a second; 20 a second for the sixth minute."""
    chance, at_s = random.Random(1), 0.0
    while at_s < length_s:
        at_s += chance.expovariate(20.0 if 300 <= at_s < 360 else 3.0)
        yield Arrival(at_s=at_s, **TOKENS)


@pytest.mark.parametrize(("unit", "per_replica"), UNITS)
def test_retries_are_sized_for_and_end(unit: str, per_replica: float) -> None:
    """There are replicas for half of a crowd: each asks two or three times more, mostly in vain."""
    plant = Impatient(list(arrivals(3900.0)), seed=1)
    desired = run(foretide(plant, unit, per_replica), 3900)
    assert len(plant.asked_again) > 2 * 60 * 20
    # They cease once replicas are there, a start-up after the crowd began, and do not return.
    assert max(plant.asked_again) < 300 + 60 + 60
    assert slowest(plant, 600) < 8.0
    # Never for more than twice all four attempts at once; in the end for what comes by itself.
    assert max(desired) <= 2 * 4 * 20 / 1.3
    before = desired[299]
    assert max(desired[2400:]) <= 2 * before
    assert max(desired[-600:]) <= 1.5 * before
