"""How fast the plant replays requests: slots, continuous batching, failures, agent sessions.

Rule: one process, simulated time, CPU seconds of the replay alone; the trace is made before.
Usage: python bench/plant.py [--requests 200000] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence

from lab.plant import LONG_CONTEXT, Batching, Failures, Plant, PlantParameters
from lab.traces import Arrival
from lab.traces.session import Session
from lab.traces.sessions import SessionParameters, sessions


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="how many")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.requests < 1:
        parser.error("--requests must be 1 or more")
    batching = Batching()
    small = poisson(14.0, given.requests)
    large = poisson(30.0, given.requests)
    agents = _agents(given.requests)
    long_context = PlantParameters(
        initial_replicas=60, max_replicas=60, slots=64, batching=LONG_CONTEXT, queue_limit=10**6
    )
    batched = PlantParameters(initial_replicas=20, slots=32, batching=batching)
    failing = PlantParameters(
        initial_replicas=20, slots=32, batching=batching, failures=Failures(mtbf_s=1800.0)
    )
    rows = [
        replay("slots, 20 replicas", PlantParameters(initial_replicas=20), small),
        replay(
            "slots, told event by event", PlantParameters(initial_replicas=20), small, tell=True
        ),
        replay("batching, 20 replicas", batched, large),
        replay("batching and failures", failing, large),
        replay("agent sessions, closed loop, 60 replicas", long_context, (), agents),
    ]
    if given.json:
        print(json.dumps({"rows": rows}))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def replay(
    name: str,
    parameters: PlantParameters,
    trace: Sequence[Arrival],
    agents: Sequence[Session] = (),
    *,
    tell: bool = False,
) -> dict[str, object]:
    """One run to its end, in steps of a minute, as a policy would."""
    plant = Plant(trace, parameters, seed=1, begin=1.7e9, sessions=agents, tell=tell)
    begun = time.process_time()
    while not plant.drained:
        plant.advance(plant.now + 60.0)
    plant.close()
    seconds = time.process_time() - begun
    account = plant.account
    return {
        "run": name,
        "requests": account.arrived,
        "cpu_s": round(seconds, 2),
        "requests_per_s": round(account.arrived / seconds),
        "served": account.served,
        "dropped": account.dropped,
        "lost": account.lost,
        "in_system_mean": round(account.mean_in_system(), 1),
        "latency_p50_s": round(account.latency_s(0.5) or 0.0, 2),
        "latency_p95_s": round(account.latency_s(0.95) or 0.0, 2),
    }


def poisson(rate: float, count: int) -> tuple[Arrival, ...]:
    """Prompts of 1,500 tokens and completions of 150 in the mean, exponential."""
    chance = random.Random(1)  # noqa: S311 - a seeded trace
    at, found = 0.0, []
    for _ in range(count):
        at += chance.expovariate(rate)
        found.append(
            Arrival(
                at_s=at,
                tokens_in=int(chance.expovariate(1 / 1500)) + 1,
                tokens_out=int(chance.expovariate(1 / 150)) + 1,
            )
        )
    return tuple(found)


def _agents(requests: int) -> list[Session]:
    """About so many calls, a session each second."""
    count = max(round(requests / SessionParameters().calls), 1)
    starts = [Arrival(at_s=float(n), tokens_in=1, tokens_out=1) for n in range(count)]
    return sessions(starts, seed=1)


if __name__ == "__main__":
    main()
