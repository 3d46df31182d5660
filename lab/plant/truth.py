"""What a replica of a service truly carries within its SLO, by bisection.

Rule: fleets that stay as they are, at constant rates, with no learner in the way; what is found is
expressed in the measure that demand has for the learner.  Each run is closed: its books balance.
Used by lab.plant.learning.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from lab.plant.batching import Batching
from lab.plant.foretide import Foretide
from lab.plant.parameters import PlantParameters, Routing, Variant
from lab.plant.plant import Plant
from lab.traces.arrival import Arrival
from models.demand import Unit
from models.domain.spec import AgentScaler

BEGIN = 1_700_000_000.0
"""When a run begins, Unix seconds."""

Rate = Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: one variant, its slower next release, the requests it gets, its SLO.

    Completions are exponential with mean ``tokens_out``; ``rate`` is requests/s in the mean,
    ``replicas`` how many there are in the beginning, ``routing`` how requests reach them.
    """

    name: str
    variant: Variant
    slower: Variant
    tokens_in: int
    tokens_out: int
    slo_s: float
    rate: float
    replicas: int
    violations: float = 0.01
    routing: Routing = "shared"


MMC = Variant(name="old", slots=4, overhead_s=0.0, prefill_per_s=1e12, decode_per_s=40.0)
BATCH = Variant(name="old", slots=64, batching=Batching())

SERVICES: tuple[Service, ...] = (
    Service(
        name="4 slots (M/M/4n), 0.5 s a request",
        variant=MMC,
        slower=dataclasses.replace(MMC, name="new", decode_per_s=40.0 / 1.5),
        tokens_in=0,
        tokens_out=20,
        slo_s=4.0,
        rate=30.0,
        replicas=8,
    ),
    Service(
        name="continuous batching, 500 + 100 tokens",
        variant=BATCH,
        slower=dataclasses.replace(
            BATCH,
            name="new",
            batching=Batching(
                base_s=0.0375,
                per_sequence_s=0.00015,
                kv_s_per_token=0.615e-6,
                prefill_s_per_token=0.0003,
            ),
        ),
        tokens_in=500,
        tokens_out=100,
        slo_s=30.0,
        rate=16.0,
        replicas=8,
    ),
)


def arrivals(service: Service, rate: Rate, seconds: float, seed: int) -> list[Arrival]:
    """Poisson arrivals whose ``rate`` (requests/s at a second) changes with time."""
    chance = random.Random(seed)  # noqa: S311 - a simulation's seeded chance
    most = max(rate(at) for at in range(0, math.ceil(seconds) + 1, 10))
    at, made = 0.0, []
    while (at := at + chance.expovariate(most)) < seconds:
        if chance.random() * most < rate(at):
            tokens = max(round(chance.expovariate(1 / service.tokens_out)), 1)
            made.append(Arrival(at_s=at, tokens_in=service.tokens_in, tokens_out=tokens))
    return made


def parameters(service: Service, *variants: Variant) -> PlantParameters:
    """The plant of a service."""
    return PlantParameters(
        variants=variants,
        queue_limit=100_000,
        slo_s=service.slo_s,
        violations=service.violations,
        routing=service.routing,
    )


def share_slow(
    service: Service, variant: Variant, replicas: int, rate: float, seconds: float, seed: int
) -> float:
    """Share of requests slower than the SLO, of ``replicas`` that stay, at a constant rate.

    Those that are still there at the end, and older than the SLO by then, are slow.
    """
    there = dataclasses.replace(variant, initial_replicas=replicas)
    made = arrivals(service, lambda _: rate, seconds, seed)
    plant = Plant(made, parameters(service, there), seed=seed, begin=BEGIN, tell=False)
    plant.advance(BEGIN + seconds)
    plant.close()
    return plant.account.violation_share()


def true_capacity(
    service: Service, variant: Variant, *, replicas: int = 5, seconds: int = 2400, runs: int = 2
) -> dict[Unit, float]:
    """What a replica carries within the SLO, in each unit, as demand is measured.

    The highest constant rate at which the share slow, over ``runs``, is within the budget (to
    0.5 %), and demand per replica there, in the mean.
    """
    low, high = 0.0, service.rate
    while _slow(service, variant, replicas, high, seconds, runs) <= service.violations:
        low, high = high, 2 * high
    while high - low > 0.005 * high:
        middle = (low + high) / 2
        fine = _slow(service, variant, replicas, middle, seconds, runs) <= service.violations
        low, high = (middle, high) if fine else (low, middle)
    there = dataclasses.replace(variant, initial_replicas=replicas)
    made = arrivals(service, lambda _: low, seconds, 99)
    plant = Plant(made, parameters(service, there), seed=99, begin=BEGIN)
    run = Foretide(plant, agent(service), acts=False)
    sums: dict[Unit, float] = {}
    looks = 0
    for second in range(seconds):
        run.second()
        if second >= 300 and second % 10 == 0 and run.scaler.learner is not None:  # noqa: PLR2004
            looks += 1
            for unit, load in run.scaler.learner.loads.items():
                sums[unit] = sums.get(unit, 0.0) + load
    plant.close()
    return {unit: total / looks for unit, total in sums.items()}


def _slow(
    service: Service, variant: Variant, replicas: int, rate: float, seconds: float, runs: int
) -> float:
    found = [
        share_slow(service, variant, replicas, rate, seconds, seed) for seed in range(1, runs + 1)
    ]
    return sum(found) / runs


def agent(service: Service, unit: Unit | None = None) -> AgentScaler:
    """A target and an SLO; ``unit`` None: that is learned too."""
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "service", "namespace": "lab"},
            "spec": {
                "target": {"name": "service"},
                "replicas": {"min": 1, "max": 60},
                "slo": {"latencySeconds": service.slo_s, "violations": service.violations},
                **({} if unit is None else {"demand": {"unit": unit}}),
            },
        }
    )
