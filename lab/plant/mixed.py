"""Learned capacity of each variant on the plant, where a workload has a fast and a slow one.

Rule: what is true of a variant is found on fleets of it alone (lab.plant.truth); the learner is
told of targets and an SLO, and which request was whose, and nothing else.  Beside it a run in
which no request says whose it was, so that all replicas count alike.  ``python -m
lab.plant.mixed [HOURS [WORD]]`` prints the table, of services whose name has WORD in it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from dataclasses import dataclass
from typing import get_args

from lab.plant.batching import Batching
from lab.plant.foretide import Foretide
from lab.plant.learning import PERIOD_S
from lab.plant.parameters import Routing, Variant
from lab.plant.plant import Plant
from lab.plant.truth import (
    BATCH,
    BEGIN,
    MMC,
    SERVICES,
    Service,
    agent,
    arrivals,
    parameters,
    true_capacity,
)
from models.demand import Unit
from models.domain.spec import AgentScaler

MOST_FAST = 3
"""Of the fast variant, as the accelerators of a kind are few: at the mean rate nearly all that is
needed, at the peak more is, and that is slow ones."""

FIRST_SLOW = 3
"""Slow replicas in the beginning; the fast ones are at their most."""

WAYS: dict[Routing, str] = {"shared": "to who is free", "even": "in turn"}
"""How requests reach replicas, in words."""

Capacities = dict[str, float]
"""Of a replica, by variant."""


def _services() -> tuple[Service, ...]:
    """Those of lab.plant.truth beside a variant of half the speed, at twice their SLO.

    Within the SLO as it was, a slow replica of slots could not serve at all: of requests of 1 s in
    the mean exp(-4), 1.8 %, take longer than 4 s, and the budget is 1 %.
    """
    slots, batch = SERVICES
    once = Batching()
    twice = dataclasses.replace(
        once,
        base_s=2 * once.base_s,
        per_sequence_s=2 * once.per_sequence_s,
        kv_s_per_token=2 * once.kv_s_per_token,
        prefill_s_per_token=2 * once.prefill_s_per_token,
    )
    return (
        _beside(slots, MMC, dataclasses.replace(MMC, decode_per_s=MMC.decode_per_s / 2)),
        _beside(batch, BATCH, dataclasses.replace(BATCH, batching=twice)),
    )


def _beside(service: Service, fast: Variant, slow: Variant) -> Service:
    return dataclasses.replace(
        service,
        variant=dataclasses.replace(fast, name="fast", initial_replicas=MOST_FAST),
        slower=dataclasses.replace(slow, name="slow", initial_replicas=FIRST_SLOW),
        slo_s=2 * service.slo_s,
    )


MIXED: tuple[Service, ...] = _services()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What came of one run: capacities in ``unit``, shares 0 to 1.

    ``learned`` leaves out the variants whose capacity is unknown.  ``violations`` is the share
    slow or dropped of requests that ended, ``worst_hour`` the same of the worst one.
    """

    unit: Unit
    learned: Capacities
    violations: float
    worst_hour: float
    replica_hours: float


def mix(service: Service, *, hours: float = 6.0, seed: int = 1, names: bool = True) -> Mixture:
    """Let it run for ``hours``: demand swings by half of its mean once an hour.

    ``names``: requests say whose they were.
    """
    seconds = round(hours * 3600)
    made = arrivals(
        service,
        lambda at: service.rate * (1 + 0.5 * math.sin(2 * math.pi * at / PERIOD_S)),
        seconds,
        seed,
    )
    plant = Plant(made, parameters(service, *_variants(service)), seed=seed, begin=BEGIN)
    run = Foretide(plant, mixed_agent(service), names=names)
    account = plant.account
    marks = [(0, 0)]
    for second in range(1, seconds + 1):
        run.second()
        if second % 3600 == 0 or second == seconds:
            marks.append((account.violations, account.served + account.dropped))
    plant.close()
    unit: Unit = run.scaler.demand.unit
    return Mixture(
        unit=unit,
        learned=run.scaler.capacities(),
        violations=account.violation_share(),
        worst_hour=max((b[0] - a[0]) / max(b[1] - a[1], 1) for a, b in itertools.pairwise(marks)),
        replica_hours=account.replica_seconds / 3600,
    )


def mixed_agent(service: Service) -> AgentScaler:
    """A target for each variant, and an SLO; the fast ones are few, and come first."""
    plain = agent(service).spec
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "service", "namespace": "lab"},
            "spec": {
                "variants": [
                    {"name": "fast", "target": {"name": "fast"}, "max": MOST_FAST},
                    {"name": "slow", "target": {"name": "slow"}},
                ],
                "replicas": plain.replicas.model_dump(),
                "slo": None if plain.slo is None else plain.slo.model_dump(),
            },
        }
    )


def true_capacities(service: Service) -> dict[str, dict[Unit, float]]:
    """What is true of each variant, of a fleet of it alone, in each unit."""
    return {variant.name: true_capacity(service, variant) for variant in _variants(service)}


def _variants(service: Service) -> tuple[Variant, Variant]:
    return service.variant, service.slower


def main(hours: float = 6.0, word: str = "") -> None:
    """Print the table in Markdown."""
    out = sys.stdout
    out.write(
        "| service | requests go | seed | unit | fast: true | learned | slow: true | learned "
        "| slow requests, all / worst hour | replica-hours "
        "| counted alike: slow requests | replica-hours |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    asked = [service for service in MIXED if word in service.name]
    for plain, routing in itertools.product(asked, get_args(Routing)):
        service = dataclasses.replace(plain, routing=routing)
        true = true_capacities(service)
        for seed in (1, 2):
            found, alike = (
                mix(service, hours=hours, seed=seed, names=names) for names in (True, False)
            )
            out.write(row(service, seed, true, found, alike))
            out.flush()


def row(
    service: Service,
    seed: int,
    true: dict[str, dict[Unit, float]],
    found: Mixture,
    alike: Mixture,
) -> str:
    """A row of the table; ``alike``: what came where no request said whose it was."""
    capacities = [
        f"{true[variant.name][found.unit]:.3g} | {_number(found.learned, variant.name)}"
        for variant in _variants(service)
    ]
    return (
        f"| {service.name} | {WAYS[service.routing]} | {seed} | {found.unit} "
        f"| {' | '.join(capacities)} | {found.violations:.2%} / {found.worst_hour:.2%} "
        f"| {found.replica_hours:.1f} "
        f"| {alike.violations:.2%} / {alike.worst_hour:.2%} | {alike.replica_hours:.1f} |\n"
    )


def _number(capacities: Capacities, variant: str) -> str:
    return f"{capacities[variant]:.3g}" if variant in capacities else "unknown"


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 6.0, *sys.argv[2:3])
