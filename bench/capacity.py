"""What learning the capacity costs a workload: time a second, memory, snapshot.

Rule: the steps of a run on the plant are recorded, then applied to fleets that differ in the spec
alone; CPU time of this thread, the least of five rounds that alternate.
Usage: python bench/capacity.py [--minutes 60] [--json]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from typing import Any

import msgspec

from lab.plant import Plant
from lab.plant.foretide import Foretide
from lab.plant.learning import PERIOD_S
from lab.plant.truth import BEGIN, SERVICES, agent, arrivals, parameters
from models.capacity import Learner
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.step import Step
from models.window import Window
from streams.snapshots import MemberSnapshot, Sealer, Writer

ROUNDS = 5
WORKLOAD = "lab/service"


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="of simulated time")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.minutes < 1:
        parser.error("--minutes must be 1 or more")
    steps = recorded(given.minutes * 60)
    asked = {
        "given": {"unit": "requests", "per_replica": 8.0},
        "learned, unit given": {"unit": "requests"},
        "learned, unit too": {},
    }
    least = dict.fromkeys(asked, math.inf)
    fleets: dict[str, Fleet] = {}
    for _ in range(ROUNDS):
        for name, demand in asked.items():
            seconds, fleets[name] = applied(steps, demand)
            least[name] = min(least[name], seconds)
    rows = [row(name, fleets[name], least[name] / len(steps)) for name in asked]
    if given.json:
        print(json.dumps({"rows": rows}))
        return
    for found in rows:
        print("  ".join(f"{name} {value}" for name, value in found.items()))


def recorded(seconds: int) -> list[Step]:
    """A run of M/M/4n replicas under a Fleet that learns."""
    service = SERVICES[0]
    made = arrivals(
        service,
        lambda at: service.rate * (1 + 0.5 * math.sin(2 * math.pi * at / PERIOD_S)),
        seconds,
        1,
    )
    there = dataclasses.replace(service.variant, initial_replicas=service.replicas)
    run = Foretide(Plant(made, parameters(service, there), seed=1, begin=BEGIN), agent(service))
    run.planner.keeps = True
    for _ in range(seconds):
        run.second()
    return run.planner.steps


def applied(steps: list[Step], demand: dict[str, Any]) -> tuple[float, Fleet]:
    """CPU seconds of the steps, applied to a fleet whose spec says ``demand``, and the fleet."""
    change = steps[0].specs[0]
    if change.spec is None:
        raise ValueError("the recording does not begin with a spec")
    said = change.spec.model_dump(exclude_unset=True)
    said["spec"]["demand"] = demand
    spec = AgentScaler.model_validate(said)
    first = msgspec.structs.replace(steps[0], specs=(msgspec.structs.replace(change, spec=spec),))
    fleet = Fleet(lateness_s=2.0, valid_s=60.0)
    begun = time.thread_time()
    for step in (first, *steps[1:]):
        fleet.apply(step)
    return time.thread_time() - begun, fleet


def row(name: str, fleet: Fleet, seconds: float) -> dict[str, object]:
    """What is printed of one spec."""
    (state,) = fleet.states([WORKLOAD], 0)
    learner = fleet.scaler(WORKLOAD).learner
    return {
        "capacity": name,
        "us_per_second": round(1e6 * seconds, 1),
        "learner_bytes": 0 if learner is None else held(learner),
        "sealed_bytes": len(Sealer(None).seal(MemberSnapshot(Writer(0, 1), state))),
    }


def held(learner: Learner) -> int:
    """Bytes of a learner's own objects: not its window, nor what all share."""
    seen: set[int] = set()

    def size(value: object) -> int:
        if id(value) in seen or isinstance(value, type | int | float | str | bool) or value is None:
            return 24 if isinstance(value, float) and id(value) not in seen else 0
        seen.add(id(value))
        total = sys.getsizeof(value)
        if isinstance(value, Window):
            return 0
        if isinstance(value, dict):
            return total + sum(map(size, value.values()))
        if isinstance(value, list | tuple):
            return total + sum(map(size, value))
        slots = [s for kind in type(value).__mro__ for s in getattr(kind, "__slots__", ())]
        slots += list(getattr(value, "__struct_fields__", ()))
        names = dict.fromkeys([*slots, *getattr(value, "__dict__", {})])
        return total + sum(size(getattr(value, name, None)) for name in names)

    return size(learner)


if __name__ == "__main__":
    main()
