"""Learned capacity on the plant: against what a replica really carries, and after a release.

Rule: what is true is found by bisection on fleets that stay as they are, with no learner in sight;
the learner is told an SLO and nothing else.  ``python -m lab.plant.learning [HOURS [WORD]]`` prints
the table, of services whose name has WORD in it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

from lab.plant.batching import Batching
from lab.plant.foretide import Foretide
from lab.plant.parameters import PlantParameters, Variant
from lab.plant.plant import Plant
from lab.traces.arrival import Arrival
from models.demand import Unit
from models.domain.spec import AgentScaler

BEGIN = 1_700_000_000.0
CLOSE = 0.15
"""How near to the true capacity counts as learned."""

PERIOD_S = 3600.0
"""Demand rises and falls once an hour, by half of its mean."""

Rate = Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: one variant, its slower next release, the requests it gets, its SLO.

    Completions are exponential with mean ``tokens_out``; ``rate`` is requests/s in the mean,
    ``replicas`` how many there are in the beginning.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What came of one run.  Capacities are in ``unit``, shares 0 to 1, times in seconds.

    ``close_s``: from then on, up to the release, the capacity is within ``CLOSE`` of the true
    one; None: it never was for good.  ``worst_hour`` is the highest share slow in an hour before
    the release.  ``noticed_s``: after the release's replicas took over; None: it was not, or was
    not asked for.  ``words``: what a decision would say of it before the release.
    """

    unit: Unit
    true: float
    learned: float | None
    close_s: int | None
    violations: float
    worst_hour: float
    replica_hours: float
    noticed_s: int | None
    after: float | None
    words: str


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
    )


def share_slow(
    service: Service, variant: Variant, replicas: int, rate: float, seconds: float, seed: int
) -> float:
    """Share of requests slower than the SLO, of ``replicas`` that stay, at a constant rate."""
    there = dataclasses.replace(variant, initial_replicas=replicas)
    made = arrivals(service, lambda _: rate, seconds, seed)
    plant = Plant(made, parameters(service, there), seed=seed, begin=BEGIN, tell=False)
    plant.advance(BEGIN + seconds)
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


def learn(
    service: Service,
    true: dict[Unit, float],
    *,
    unit: Unit | None = None,
    hours: float = 6.0,
    after_s: int = 0,
    seed: int = 1,
) -> Learning:
    """Let it learn for ``hours``, then release the slower one and go on for ``after_s``; 0: not."""
    seconds = round(hours * 3600)
    total = seconds + after_s
    made = arrivals(
        service,
        lambda at: service.rate * (1 + 0.5 * math.sin(2 * math.pi * at / PERIOD_S)),
        total,
        seed,
    )
    old = dataclasses.replace(service.variant, initial_replicas=service.replicas)
    plant = Plant(made, parameters(service, old, service.slower), seed=seed, begin=BEGIN)
    run = Foretide(plant, agent(service, unit))
    ratios: list[tuple[int, float]] = []
    marks = [(0, 0)]
    for second in range(1, seconds + 1):
        run.second()
        if second % 60 == 0:
            value = run.scaler.capacity()
            ratio = 0.0 if value is None else value / true[run.scaler.demand.unit]
            ratios.append((second, ratio))
        if second % 3600 == 0:
            account = plant.account
            marks.append((account.violations, account.served + account.dropped))
    learned, unit_now = run.scaler.capacity(), run.scaler.demand.unit
    words = _told(run)
    violations, hours_of = plant.account.violation_share(), plant.account.replica_seconds / 3600
    noticed_s = _after(run, service, after_s) if after_s else None
    pairs = itertools.pairwise(marks)
    return Learning(
        unit=unit_now,
        true=true[unit_now],
        learned=learned,
        close_s=_close_s(ratios),
        violations=violations,
        worst_hour=max([(b[0] - a[0]) / max(b[1] - a[1], 1) for a, b in pairs], default=0.0),
        replica_hours=hours_of,
        noticed_s=noticed_s,
        after=run.scaler.capacity(),
        words=words,
    )


def _told(run: Foretide) -> str:
    return "" if run.scaler.learner is None else run.scaler.learner.words()


def _after(run: Foretide, service: Service, seconds: int) -> int | None:
    """Release, go on, and say how long after it took over it was noticed."""
    run.release(service.slower.name, service.variant.name)
    since: int | None = None
    noticed: int | None = None
    for second in range(seconds):
        run.second()
        if since is None and run.rolled:
            since = second
        if noticed is None and since is not None and "slower" in _told(run):
            noticed = second - since
    return noticed


def _close_s(ratios: list[tuple[int, float]]) -> int | None:
    """From when on every ratio is within ``CLOSE`` of 1."""
    since: int | None = None
    for at, ratio in ratios:
        if abs(ratio - 1.0) > CLOSE:
            since = None
        elif since is None:
            since = at
    return since


def main(hours: float = 6.0, word: str = "") -> None:
    """Print the table in Markdown."""
    out = sys.stdout
    out.write(
        "| service | unit | seed | true | learned | within 15 % from | slow, all / worst hour "
        "| slower release noticed after | true then | learned 2 h later |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    asked: tuple[Unit | None, ...] = (None, "concurrency", "requests")
    for service in SERVICES:
        if word not in service.name:
            continue
        true = true_capacity(service, service.variant)
        then = true_capacity(service, service.slower)
        for unit, seed in itertools.product(asked, (1, 2)):
            found = learn(service, true, unit=unit, hours=hours, after_s=7200, seed=seed)
            near = "not" if found.close_s is None else f"{found.close_s / 60:.0f} min"
            noticed = "not" if found.noticed_s is None else f"{found.noticed_s} s"
            out.write(
                f"| {service.name} | {found.unit}{'' if unit else ' (chosen)'} | {seed} "
                f"| {found.true:.3g} | {found.learned or 0:.3g} | {near} "
                f"| {found.violations:.2%} / {found.worst_hour:.2%} | {noticed} "
                f"| {then[found.unit]:.3g} | {found.after or 0:.3g} |\n"
            )
            out.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 6.0, *sys.argv[2:3])
