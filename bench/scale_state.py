"""What one workload takes of the core's memory, after more than an hour of its loads.

Rule: the worker's own objects, fed as a worker feeds them, from the bytes of specs and of the load
topic; what counts is what tracemalloc sees freed when they are dropped.
Usage: python bench/scale_state.py, which prints one JSON object.
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Iterator

import msgspec
import numpy as np
from scale_traffic import Demand, Events, name_of, spec_of

from models.blocks import BlockFold
from models.columns import ColumnBuilder
from models.domain.load import DEFAULT_VARIANT, Load, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.step import SpecChange, Step
from streams import codec

BEGIN_S = 1_700_000_000
SECONDS = 4200
"""An hour of residuals, and the minutes that come before the first of them."""

WORKLOADS = 40
WARM = 2, 30
"""Workloads and seconds of a run before, so that what is made once is there."""


def main() -> None:
    """Measure, and print."""
    began = time.process_time()
    _fleet(*WARM)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    specs = _specs(WORKLOADS)
    gc.collect()
    with_specs = tracemalloc.get_traced_memory()[0]
    fleet = _fleet(WORKLOADS, SECONDS, specs)
    gc.collect()
    with_fleet = tracemalloc.get_traced_memory()[0]
    del fleet
    gc.collect()
    without = tracemalloc.get_traced_memory()[0]
    spec_bytes = (with_specs - before) / WORKLOADS
    learned_bytes = (with_fleet - without) / WORKLOADS
    found = {
        "state_bytes_per_workload": round(learned_bytes + spec_bytes),
        "of_it_spec_bytes": round(spec_bytes),
        "state_after_s": SECONDS,
        "state_workloads": WORKLOADS,
        "state_cpu_s": round(time.process_time() - began, 1),
    }
    print(json.dumps(found))


def _specs(workloads: int) -> list[AgentScaler]:
    return [AgentScaler.model_validate_json(spec_of(number)) for number in range(workloads)]


def _fleet(workloads: int, seconds: int, specs: list[AgentScaler] | None = None) -> Fleet:
    """A fleet after so many seconds; replicas are reported when they change, a second later."""
    fleet = Fleet(lateness_s=2.0, valid_s=60.0)
    changes = tuple(
        SpecChange(workload=spec.workload, revision=number + 1, spec=spec)
        for number, spec in enumerate(specs or _specs(workloads))
    )
    changed = {name_of(number): 1 for number in range(workloads)}
    for at, value in _messages(workloads, seconds, changed):
        records = tuple(codec.load_records(value))
        step = Step(now=at + 0.5, generation=1, era=0, specs=changes, records=records)
        changes = ()
        for given in (step, Step(now=at + 0.9, generation=1, era=0, tick=True)):
            for decision in fleet.apply(given).decisions:
                changed[decision.workload] = sum(decision.to.replicas.values())
    return fleet


def _messages(workloads: int, seconds: int, changed: dict[str, int]) -> Iterator[tuple[int, bytes]]:
    """A second, and what aggregate would send of it; ``changed`` replicas are told, and removed."""
    demand, events, fold = Demand(workloads), Events(workloads), BlockFold(0)
    for offset in range(seconds):
        at = BEGIN_S + offset
        builder = ColumnBuilder()
        value = events.message(demand.second().tolist(), 0, at + 0.25)
        builder.add(0, codec.telemetry(value, at + 0.3).events)
        fold.fold(np.array([offset]), np.array([at]), builder.build())
        loads = [_told(load, changed, at) for load in fold.drain()]
        progress = SourceProgress(
            source=0, position=offset + 1, watermark=at + 1.0, done=fold.block or 0
        )
        yield at, codec.encode([*loads, Progress(sources=1, progress=(progress,))])


def _told(load: Load, changed: dict[str, int], at: int) -> Load:
    """The load with its replicas, where they have changed."""
    replicas = changed.pop(load.workload, None)
    if replicas is None:
        return load
    gauge = ReplicaGauge(at_us=at * 1_000_000, desired=replicas, ready=replicas, starting=0)
    return msgspec.structs.replace(load, replicas={DEFAULT_VARIANT: gauge})


if __name__ == "__main__":
    main()
