"""Policies on the per-request plant, with start-ups drawn from a measured distribution.

Rule: the plant is sized from the trace by what is written here, alike for everybody; the whole
trace counts, its cold begin too.  ``python -m lab.results.on_plant FILE SEED`` prints one run.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from lab.compare import RunResult, run_policy, static_peak
from lab.foretide import run_foretide
from lab.plant import GENTD26_BASE_MODEL, PlantParameters
from lab.policies import Hpa, Keda, Kpa
from lab.traces import Arrival, open_trace

USE = 0.7
"""HPA's and KEDA's target, and what a replica is used to at the begin."""

BEGIN_S = 60.0
"""What arrives in the first minute tells how many replicas stand at the begin."""

LEAST_SLO_S, SLO_FACTOR, SLO_LEVEL = 10.0, 2.0, 0.99
"""The SLO: twice what the 99th percentile of the requests takes alone, at least 10 s: waiting may
double a long request, and nobody calls a service slow before that."""

MOST = 100

TARGETS = tuple(tenth / 10 for tenth in range(2, 10))
WINDOWS_S = (0.0, 60.0, 300.0, 600.0)
"""The HPAs of which the best is chosen after the fact: fewer than the fluid plant's 144, because
each is a run of its own here."""


class OnPlant(Struct, frozen=True, kw_only=True):
    """One policy's run.  ``violation`` is of requests: too late, dropped or lost; 0 to 1."""

    policy: str
    replica_hours: float
    violation: float
    latency_p95_s: float | None
    dropped: int
    actions: int


def sized(arrivals: Sequence[Arrival]) -> PlantParameters:
    """The default replica, as many of it as the trace begins with, and an SLO it can keep.

    2 requests a second of 2 s each in the first minute are 4 in the system, in slots of 4 at a
    use of 0.7 two replicas.
    """
    plain = PlantParameters()
    alone = sorted(plain.service_s(a.tokens_in, a.tokens_out) for a in arrivals)
    slow = alone[max(math.ceil(SLO_LEVEL * len(alone)), 1) - 1]
    early = [a for a in arrivals if a.at_s < BEGIN_S]
    busy = sum(plain.service_s(a.tokens_in, a.tokens_out) for a in early) / BEGIN_S
    return PlantParameters(
        startup=GENTD26_BASE_MODEL,
        initial_replicas=min(max(math.ceil(busy / plain.slots / USE), 1), MOST),
        max_replicas=MOST,
        slo_s=max(LEAST_SLO_S, SLO_FACTOR * slow),
    )


def run_on_plant(arrivals: tuple[Arrival, ...], *, seed: int) -> tuple[OnPlant, ...]:
    """All of them, in the order of the table."""
    parameters = sized(arrivals)
    least, most, slots = parameters.min_replicas, parameters.max_replicas, parameters.slots
    runs = [
        run_foretide(arrivals, parameters, seed=seed),
        run_policy(arrivals, parameters, Hpa(target=USE, least=least, most=most), seed=seed),
        run_policy(
            arrivals, parameters, Keda(target=USE * slots, least=least, most=most), seed=seed
        ),
        run_policy(arrivals, parameters, Kpa(capacity=slots, least=least, most=most), seed=seed),
    ]
    found = [_row(run) for run in runs]
    best = _best_hpa(arrivals, parameters, seed)
    if best is not None:
        found.insert(2, best)
    found.append(_row(static_peak(arrivals, parameters, seed=seed)))
    return tuple(found)


def _best_hpa(
    arrivals: tuple[Arrival, ...], parameters: PlantParameters, seed: int
) -> OnPlant | None:
    """The cheapest that keeps the budget on this very trace; None: none does."""
    kept = []
    for target in TARGETS:
        for window in WINDOWS_S:
            policy = Hpa(
                target=target,
                least=parameters.min_replicas,
                most=parameters.max_replicas,
                down_window_s=window,
            )
            row = _row(run_policy(arrivals, parameters, policy, seed=seed), "hpa-tuned")
            if row.violation <= parameters.violations:
                kept.append(row)
    return min(kept, key=lambda row: row.replica_hours, default=None)


NAMES = {"HPA 0.7": "hpa", "KEDA": "keda", "KPA": "kpa", "static peak": "static"}


def _row(run: RunResult, name: str | None = None) -> OnPlant:
    return OnPlant(
        policy=name or NAMES.get(run.policy, run.policy),
        replica_hours=run.replica_hours,
        violation=run.violation_share,
        latency_p95_s=run.latency_p95_s,
        dropped=run.dropped,
        actions=run.actions,
    )


def main(file: str, seed: str = "1") -> None:
    """Print one run of all policies."""
    arrivals = open_trace(Path(file))
    out = sys.stdout
    out.write("".join(f"{line}\n" for line in sized(arrivals).lines()))
    out.write("policy       replica-h  violations  p95 s  dropped  actions\n")
    for row in run_on_plant(arrivals, seed=int(seed)):
        p95 = "-" if row.latency_p95_s is None else f"{row.latency_p95_s:.2f}"
        out.write(
            f"{row.policy:<12} {row.replica_hours:>9.2f} {row.violation:>11.2%} {p95:>6} "
            f"{row.dropped:>8} {row.actions:>8}\n"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
