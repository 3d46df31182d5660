"""How large a workload's sealed snapshot is, by start-up time and by kind of workload.

Rule: a Fleet fed for more than an hour with noisy traffic, as plan is fed; what counts is the
message of foretide.snapshots, and each part's share is what the message is smaller without it.
Ends with 1 when a workload of the kinds ``small`` and ``warm`` takes more than ``TARGET_BYTES``.
With --weeks its season is of so many weeks of noise before, which nothing else is as long as.
Usage: python bench/snapshot_size.py [--minutes 70] [--startup 20 65 ...] [--kind warm] [--weeks 2]
[--json]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import sketch
from models.domain.load import Load, PodGauge, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.fleet import Fleet, MemberState
from models.forecasting.season import SLOT_S, WEEK_S, Season
from models.step import SpecChange, Step
from streams.snapshots import MemberSnapshot, Sealer, Writer

BEGIN_S = 1_700_000_000
WORKLOAD = "prod/support-bot"
STARTUPS_S = (20, 65, 155, 300, 430)
TARGET_BYTES = 8000
PERIOD_S = 1800.0
"""Of the wave that demand goes up and down with, by half."""

SEASON_NOISE = 0.1
"""Of ten minutes' demand in the weeks before, a share: moves without noise fold to nothing."""

SLOTS = 8
"""Requests that one replica works on at a time."""


class Kind(NamedTuple):
    """A kind of workload; ``demand`` as its spec has it, empty: capacity and unit are learned."""

    demand: dict[str, Any]
    per_s: float
    sources: int
    pods: int
    tenants: int
    variants: int


KINDS = {
    "small": Kind({"unit": "requests", "perReplica": 6.0}, 30.0, 1, 4, 1, 1),
    "tenants": Kind({"unit": "requests", "perReplica": 6.0}, 30.0, 4, 8, 8, 1),
    "warm": Kind({}, 30.0, 4, 8, 6, 1),
    "many tenants": Kind({"unit": "requests", "perReplica": 6.0}, 300.0, 4, 8, 100, 1),
    "many pods": Kind({}, 600.0, 4, 150, 40, 3),
}

HELD = ("small", "tenants", "warm")
"""Kinds that the target is for: what many pods say is as long as there are pods, and of many
tenants 64 a step have names."""


class World:
    """Traffic of one workload, and replicas that do as they are told after a start-up."""

    def __init__(self, kind: Kind, startup_s: int) -> None:
        """Nothing has happened yet."""
        self._kind = kind
        self._startup_s = startup_s
        self._chance = np.random.default_rng(startup_s)
        self._names = [f"v{number}" for number in range(kind.variants)]
        if kind.variants == 1:
            self._names = ["default"]
        each = max(math.ceil(kind.per_s / 6.0 / kind.variants), 1)
        self._desired = dict.fromkeys(self._names, each)
        self._ready = dict(self._desired)
        self._due: list[tuple[int, str]] = []
        self.fleet = Fleet(lateness_s=2.0, valid_s=60.0)
        spec = spec_of(kind, self._names)
        self._specs: tuple[SpecChange, ...] = (
            SpecChange(workload=WORKLOAD, revision=1, spec=spec),
        )

    def second(self, number: int) -> None:
        """Let one pass."""
        at = BEGIN_S + number
        started = self._become_ready(at)
        records: list[Load | Progress] = [
            self._load(source, at, started if source == 0 else [])
            for source in range(self._kind.sources)
        ]
        reports = tuple(
            SourceProgress(source=source, position=at + 1, watermark=at + 1.0, done=at)
            for source in range(self._kind.sources)
        )
        records.append(Progress(sources=self._kind.sources, progress=reports))
        step = Step(
            now=at + 1.0,
            generation=1,
            era=0,
            specs=self._specs,
            records=tuple(records),
            tick=True,
        )
        self._specs = ()
        for decision in self.fleet.apply(step).decisions:
            self._obey(at, decision.to.replicas)

    def state(self) -> MemberState:
        """Its state now."""
        (state,) = self.fleet.states([WORKLOAD], 0)
        return state

    def _obey(self, at: int, wanted: dict[str, int]) -> None:
        for name, count in wanted.items():
            more = count - self._desired[name]
            spread = self._chance.lognormal(0.0, 0.2, max(more, 0))
            self._due += [(at + math.ceil(self._startup_s * factor), name) for factor in spread]
            self._desired[name] = count
            self._ready[name] = min(self._ready[name], count)

    def _become_ready(self, at: int) -> list[tuple[float, str]]:
        due = [each for each in self._due if each[0] <= at]
        self._due = [each for each in self._due if each[0] > at]
        for _, name in due:
            self._ready[name] = min(self._ready[name] + 1, self._desired[name])
        return [(self._startup_s * self._chance.lognormal(0.0, 0.2), name) for _, name in due]

    def _load(self, source: int, at: int, started: list[tuple[float, str]]) -> Load:
        chance, kind = self._chance, self._kind
        wave = 1.0 + 0.5 * math.sin(2 * math.pi * (at - BEGIN_S) / PERIOD_S)
        mean = kind.per_s * wave / kind.sources
        began, ended = int(chance.poisson(mean)), int(chance.poisson(mean))
        busy = kind.per_s * wave / (SLOTS * max(sum(self._ready.values()), 1))
        latency_us = (0.6e6 * (1.0 + busy**4) * chance.lognormal(0.0, 0.5, ended)).astype(np.int64)
        tokens = chance.lognormal(6.0, 0.8, ended).astype(int)
        return Load(
            workload=WORKLOAD,
            second=at,
            source=source,
            block=at,
            reach=at,
            sent_us=at * 1_000_000 + int(chance.integers(1_000_000)),
            events=began + ended + 1,
            started=began,
            finished=ended,
            latency_count=ended,
            latency_us=int(latency_us.sum()),
            latency=counted(latency_us),
            tokens_in_started=int(chance.lognormal(6.0, 0.3) * began),
            tokens_in=int(tokens.sum()),
            tokens_out=int(tokens.sum() * chance.uniform(0.2, 0.4)),
            tenants=self._tenants(ended),
            pods=self._pods(source, at, busy),
            replicas=self._replicas(at) if source == 0 else {},
            started_s=tuple(seconds for seconds, _ in started),
            started_of=tuple(name for _, name in started),
        )

    def _tenants(self, ended: int) -> dict[str, int]:
        """Whose the requests were: the second tenant has half of what the first has, and so on."""
        shares = 1.0 / np.arange(1, self._kind.tenants + 1)
        drawn = self._chance.multinomial(ended, shares / shares.sum()).tolist()
        return {f"tenant-{number}": count for number, count in enumerate(drawn) if count}

    def _pods(self, source: int, at: int, busy: float) -> dict[str, PodGauge]:
        chance = self._chance
        return {
            f"support-bot-7d4f9c6b8-{number:05x}": PodGauge(
                at_us=at * 1_000_000 + int(chance.integers(1_000_000)),
                in_flight=int(chance.poisson(SLOTS * min(busy, 1.0))),
                queue_depth=int(chance.poisson(0.3)),
                cpu_cores=round(float(chance.uniform(0.5, 4.0)), 3),
                memory_bytes=float(chance.integers(8_000_000_000, 9_000_000_000)),
                gpu_ratio=round(float(chance.uniform(0.5, 1.0)), 3),
                kv_cache_ratio=round(float(chance.uniform(0.3, 0.9)), 3),
            )
            for number in range(self._kind.pods)
            if number % self._kind.sources == source
        }

    def _replicas(self, at: int) -> dict[str, ReplicaGauge]:
        return {
            name: ReplicaGauge(
                at_us=at * 1_000_000,
                desired=self._desired[name],
                ready=self._ready[name],
                starting=self._desired[name] - self._ready[name],
            )
            for name in self._names
        }


def counted(latency_us: NDArray[np.int64]) -> dict[int, int]:
    """Latencies by bucket."""
    buckets, counts = np.unique(sketch.buckets(latency_us), return_counts=True)
    return dict(zip(buckets.tolist(), counts.tolist(), strict=True))


def spec_of(kind: Kind, names: list[str]) -> AgentScaler:
    """The AgentScaler of a kind."""
    target: dict[str, Any] = {"target": {"name": "support-bot"}}
    if kind.variants > 1:
        target = {"variants": [{"name": name, "target": {"name": name}} for name in names]}
    said: dict[str, Any] = {
        **target,
        "replicas": {"min": 1, "max": 400},
        "slo": {"latencySeconds": 4.0, "violations": 0.01},
    }
    if kind.demand:
        said["demand"] = kind.demand
    metadata = {"name": "support-bot", "namespace": "prod"}
    return AgentScaler.model_validate({"metadata": metadata, "spec": said})


def sealed(state: object) -> int:
    """Bytes of the message; ``state`` a MemberState, or what has its form."""
    snapshot = MemberSnapshot(Writer(0, 1), state)  # type: ignore[arg-type]
    return len(Sealer(None).seal(snapshot))


def parts(state: MemberState) -> dict[str, int]:
    """By how many bytes the message is smaller without each of the larger parts."""
    whole = sealed(state)
    found: dict[str, int] = {}

    def without(name: str, **changes: object) -> None:
        found[name] = whole - sealed(msgspec.structs.replace(state, **changes))

    planner = state.planner
    assert planner is not None  # noqa: S101 - it has a spec
    scaler = planner.scaler
    for name in ("forecaster", "sizing", "learner", "highs", "lows"):
        left = msgspec.structs.replace(scaler, **{name: None})
        without(name, planner=msgspec.structs.replace(planner, scaler=left))
    without("spec", planner=msgspec.structs.replace(planner, spec=b""))
    for name in ("pods", "sums", "latencies", "in_system", "started_s", "shares"):
        without(name, window=msgspec.structs.replace(state.window, **{name: None}))
    without("partials", partials=None)
    return found


def older(state: MemberState, weeks: int, end_s: int) -> MemberState:
    """The same workload with a season of ``weeks`` until ``end_s``."""
    chance, season = np.random.default_rng(weeks), Season()
    for number in range(weeks * WEEK_S // SLOT_S):
        at_s = end_s - weeks * WEEK_S + (number + 0.5) * SLOT_S
        wave = 1.0 + 0.5 * math.sin(2 * math.pi * at_s / 86_400)
        season.add(at_s, wave * float(chance.lognormal(0.0, SEASON_NOISE)))
    planner = state.planner
    assert planner is not None  # noqa: S101 - it has a spec
    forecaster = msgspec.structs.replace(planner.scaler.forecaster, season=season.state())
    scaler = msgspec.structs.replace(planner.scaler, forecaster=forecaster)
    return msgspec.structs.replace(state, planner=msgspec.structs.replace(planner, scaler=scaler))


def row(name: str, startup_s: int, minutes: int, weeks: int) -> dict[str, Any]:
    """One kind of workload with one start-up time, warm."""
    world = World(KINDS[name], startup_s)
    for second in range(minutes * 60):
        world.second(second)
    scaler, state = world.fleet.scaler(WORKLOAD), world.state()
    if weeks:
        state = older(state, weeks, BEGIN_S + minutes * 60)
    learner = scaler.learner
    return {
        "kind": name,
        "startup_s": startup_s,
        "sealed_bytes": sealed(state),
        "packed_bytes": len(msgspec.msgpack.encode(state)),
        "capacity": "given" if learner is None else learner.words().split(":")[0],
        "units": 0 if learner is None else len(learner.units),
        "horizon_s": round(scaler.horizon_s, 1),
        "parts": parts(state),
    }


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=70, help="of simulated time")
    parser.add_argument("--startup", type=int, nargs="+", default=STARTUPS_S, help="seconds")
    parser.add_argument("--kind", choices=list(KINDS), nargs="+", default=list(KINDS))
    parser.add_argument("--weeks", type=int, default=0, help="that the season is of")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.minutes < 1 or min(given.startup) < 0 or given.weeks < 0:
        parser.error("--minutes must be 1 or more, --startup and --weeks 0 or more")
    rows = []
    for name in given.kind:
        for startup_s in given.startup:
            rows.append(row(name, startup_s, given.minutes, given.weeks))
            print(f"{name}, {startup_s} s: {rows[-1]['sealed_bytes']} bytes", file=sys.stderr)
    over = [each for each in rows if each["kind"] in HELD and each["sealed_bytes"] > TARGET_BYTES]
    if given.json:
        print(json.dumps({"target_bytes": TARGET_BYTES, "over": len(over), "rows": rows}))
        return int(bool(over))
    for found in rows:
        told = ", ".join(f"{part} {size}" for part, size in found["parts"].items())
        head = f"{found['kind']:<12} {found['startup_s']:>4} s {found['sealed_bytes']:>7} bytes"
        print(f"{head}  {told}")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
