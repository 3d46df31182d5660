"""A world for restarts: whatever may happen to a workload, and specs with everything in them."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from models import sketch
from models.domain.decision import Decision
from models.domain.load import Load, Part, PodGauge, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.step import SpecChange, Step, StepResult

BEGIN = 1_700_000_000
"""22:13:20 UTC."""

SOURCES = 2
BLOCK = 40
"""Offsets of a block."""

STARTS = 0.02
"""How often a replica is reported as starting."""

COLUMNS = (
    "started",
    "sessions",
    "finished",
    "dropped",
    "latency_count",
    "latency_us",
    "tokens_in_started",
    "tokens_in",
    "tokens_out",
)

AGAIN = 0.3
"""How often a second is told of again, with more in it."""


class Phase(NamedTuple):
    """Some seconds of a kind.

    ``rate`` requests a second; ``slow`` the share that misses an SLO of half a second; ``heard``
    whether the sources report progress; ``late`` whether some seconds are told of behind that.
    ``reports`` of replicas: those decided (``obeyed``), those of before (``stuck``), other ones
    (``others``), or none at all (``none``).  ``specs``: what all workloads are asked for from here
    on, None: as before, empty: their specs are gone.
    """

    seconds: int
    rate: float
    slow: float
    heard: bool
    late: bool
    starts: bool
    pods: int
    reports: str
    specs: dict[str, Any] | None


def _one_of(*options: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)


SLO = {"latencySeconds": 0.5, "violations": 0.1}

specs = st.fixed_dictionaries(
    {
        "replicas": _one_of(
            {"min": 1, "max": 40}, {"min": 0, "max": 20, "cooldownPeriodSeconds": 15}
        ),
        "demand": _one_of(
            {"unit": "requests", "perReplica": 3},
            {"unit": "tokens", "perReplica": 40},
            {"unit": "concurrency", "perReplica": 2},
            {"unit": "requests"},
            {},
            {},
        ),
    },
    optional={
        "slo": st.just(SLO),
        "mode": _one_of("Active", "Active", "Shadow", "Paused"),
        "variants": st.just(
            [
                {"name": "a", "target": {"name": "a"}, "max": 6},
                {"name": "b", "target": {"name": "b"}, "min": 1},
            ]
        ),
        "schedules": st.just(
            [
                {"start": "15 22 * * *", "end": "18 22 * * *", "min": 7},
                {"start": "20 22 * * *", "end": "24 22 * * *", "max": 9},
            ]
        ),
        "drain": _one_of({"budgetSeconds": 20}, {"budgetSeconds": 5, "podDeletionCost": True}),
        "pause": _one_of({"scaleIn": True}, {"scaleOut": True}, {"replicas": 4}),
        "pool": st.just("gpu"),
        "fallback": _one_of({"behavior": "static", "replicas": 5, "afterSeconds": 25}),
        "behavior": st.fixed_dictionaries(
            {},
            optional={
                "scaleDown": _one_of(
                    {"stabilizationWindowSeconds": 0},
                    {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}]},
                ),
                "scaleUp": _one_of(
                    {"stabilizationWindowSeconds": 10},
                    {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
                ),
            },
        ),
    },
)

phases = st.builds(
    Phase,
    seconds=st.integers(10, 150),
    rate=_one_of(0.0, 0.0, 1.0, 6.0, 25.0, 90.0),
    slow=_one_of(0.0, 0.02, 0.5),
    heard=st.integers(0, 3).map(bool),
    late=st.booleans(),
    starts=st.booleans(),
    pods=_one_of(0, 1, 4),
    reports=_one_of("obeyed", "obeyed", "stuck", "others", "none"),
    specs=st.none() | specs | st.just({}),
)


def agent(workload: str, given: dict[str, Any]) -> AgentScaler:
    """The spec of a workload; by its own name as target, where no variants are given."""
    namespace, _, name = workload.partition("/")
    target = {} if "variants" in given else {"target": {"name": name}}
    return AgentScaler.model_validate(
        {"metadata": {"name": name, "namespace": namespace}, "spec": {**target, **given}}
    )


class World:
    """Some workloads; every second of it is one step, of which decisions come."""

    def __init__(self, workloads: list[str], given: dict[str, Any], seed: int) -> None:
        self._chance = random.Random(seed)
        self._now = BEGIN
        self._offset = [0] * SOURCES
        self._revision = 0
        self._partials: dict[tuple[str, int, int], Load] = {}
        self._desired: dict[str, dict[str, int]] = {name: {} for name in workloads}
        self._specs = self._changes(given)

    def _changes(self, given: dict[str, Any]) -> tuple[SpecChange, ...]:
        self._revision += 1
        names = [each["name"] for each in given.get("variants", [])] or ["default"]
        self._desired = {
            workload: {name: held.get(name, 1) for name in names}
            for workload, held in self._desired.items()
        }
        return tuple(
            SpecChange(
                workload=name,
                revision=self._revision,
                spec=agent(name, given) if given else None,
            )
            for name in self._desired
        )

    def second(self, phase: Phase, *, first: bool) -> Step:
        """The next second, in a phase of which it is the first or not."""
        if first and phase.specs is not None:
            self._specs = self._changes(phase.specs)
        self._now += 1
        records: list[Load | Progress] = [
            load
            for workload in self._desired
            for source in range(SOURCES)
            for load in self._loads(workload, source, phase)
        ]
        if phase.heard:
            reports = tuple(
                SourceProgress(
                    source=source,
                    position=offset + 1,
                    watermark=self._now + 1.0,
                    done=offset // BLOCK * BLOCK,
                )
                for source, offset in enumerate(self._offset)
            )
            records.append(Progress(sources=SOURCES, progress=reports))
        step = Step(
            now=self._now + 1.25,
            generation=1,
            era=0,
            specs=self._specs,
            records=tuple(records),
            tick=self._chance.random() < 0.8,
        )
        self._specs = ()
        return step

    def obey(self, phase: Phase, result: StepResult) -> None:
        """What becomes of the replicas."""
        wanted: list[Decision] = [*result.decisions, *(each.wanted for each in result.proposals)]
        for decision in wanted:
            if phase.reports == "obeyed":
                self._desired[decision.workload] = dict(decision.to.replicas)
        if phase.reports == "others" and self._chance.random() < 0.1:
            for held in self._desired.values():
                held.update({name: self._chance.randrange(9) for name in held})

    def _loads(self, workload: str, source: int, phase: Phase) -> list[Load]:
        """What a source tells in a second: the second, or a late one, and it again with more."""
        chance = self._chance
        late = chance.choice([1, 5, 90]) if phase.late and chance.random() < 0.1 else 0
        count = chance.choice([0, 1, 2]) * phase.rate / 2
        ended = int(count) + (chance.random() < count % 1)
        if not ended and chance.random() < 0.5:
            return []
        second = self._now - late
        told = [self._told(self._load(workload, source, phase, second, ended))]
        if chance.random() < AGAIN:
            told.append(self._told(self._load(workload, source, phase, second, 2)))
        return told

    def _told(self, more: Load) -> Load:
        """A partial is cumulative: what was told of its block before, and ``more``."""
        self._offset[more.source] += 1
        key = more.workload, more.source, more.second
        held = self._partials.get(key)
        told = _joined(held, more) if held is not None and held.block == more.block else more
        self._partials[key] = told
        return told

    def _load(self, workload: str, source: int, phase: Phase, second: int, ended: int) -> Load:
        chance, offset = self._chance, self._offset[source]
        slow = sum(chance.random() < phase.slow for _ in range(ended))
        dropped = int(chance.random() < phase.slow / 9)
        latency = {sketch.bucket(200_000): ended - slow, sketch.bucket(900_000): slow}
        pods = self._pods(source, phase, second)
        return Load(
            workload=workload,
            second=second,
            source=source,
            block=offset // BLOCK * BLOCK,
            reach=offset,
            sent_us=second * 1_000_000 + source,
            events=ended + dropped + 1,
            started=ended + chance.randrange(2) if phase.starts else 0,
            sessions=chance.randrange(ended + 1) if phase.starts else 0,
            finished=ended + dropped,
            dropped=dropped,
            latency_count=ended,
            latency_us=ended * 300_000,
            latency={index: count for index, count in latency.items() if count},
            tokens_in_started=ended * 7 if phase.starts else 0,
            tokens_in=ended * 7,
            tokens_out=ended * chance.randrange(1, 9),
            tenants=self._tenants(ended),
            pods=pods,
            replicas=self._replicas(workload, phase, second),
            started_s=(chance.uniform(2, 60),) if chance.random() < 0.03 else (),
            variants=self._parts(workload, ended - slow, slow, pods),
        )

    def _parts(
        self, workload: str, fine: int, slow: int, pods: dict[str, PodGauge]
    ) -> dict[str, Part]:
        """What is of which variant, where there are several; now and then nobody says."""
        names = [*self._desired[workload]]
        if len(names) < 2 or self._chance.random() < 0.02:
            return {}
        first = round(fine * self._chance.choice([0.5, 0.7])), slow // 2
        found = {}
        for name, (good, bad) in zip(
            names, (first, (fine - first[0], slow - first[1])), strict=False
        ):
            latency = {sketch.bucket(200_000): good, sketch.bucket(900_000): bad}
            part = Part(
                finished=good + bad,
                latency_count=good + bad,
                latency_us=(good + bad) * 300_000,
                latency={index: count for index, count in latency.items() if count},
                tokens_in=(good + bad) * 7,
                pods={pod: gauge for pod, gauge in pods.items() if pod.endswith("0")},
            )
            if part.finished:
                found[name] = part
        return found

    def _tenants(self, ended: int) -> dict[str, int]:
        """Whose the requests were; some are nobody's, and there are 70 small ones."""
        told: dict[str, int] = {}
        for _ in range(ended):
            drawn = self._chance.random()
            name = "acme" if drawn < 0.5 else f"small-{self._chance.randrange(70)}"
            if drawn < 0.9:
                told[name] = told.get(name, 0) + 1
        return told

    def _pods(self, source: int, phase: Phase, second: int) -> dict[str, PodGauge]:
        chance = self._chance
        return {
            f"p{number}": PodGauge(
                at_us=second * 1_000_000,
                in_flight=chance.choice([None, 0, 0, 3, 40]),
                queue_depth=chance.choice([None, 0, 2]),
            )
            for number in range(phase.pods)
            if number % SOURCES == source and chance.random() < 0.7
        }

    def _replicas(self, workload: str, phase: Phase, second: int) -> dict[str, ReplicaGauge]:
        if phase.reports == "none":
            return {}
        starting = int(self._chance.random() < STARTS)
        return {
            name: ReplicaGauge(
                at_us=second * 1_000_000,
                desired=desired,
                ready=desired - min(starting, desired // 2),
                starting=min(starting, desired // 2),
            )
            for name, desired in self._desired[workload].items()
        }


def _joined(load: Load, more: Load) -> Load:
    """The partial of both: a partial is cumulative."""
    sums = {
        name: getattr(load, name) + getattr(more, name)
        for name in [*COLUMNS, "events", "started_s"]
    }
    buckets = {*load.latency, *more.latency}
    return msgspec.structs.replace(
        more,
        latency={at: load.latency.get(at, 0) + more.latency.get(at, 0) for at in sorted(buckets)},
        tenants={
            name: load.tenants.get(name, 0) + more.tenants.get(name, 0)
            for name in dict.fromkeys([*load.tenants, *more.tenants])
        },
        variants={
            name: _part(load.variants.get(name, Part()), more.variants.get(name, Part()))
            for name in dict.fromkeys([*load.variants, *more.variants])
        },
        **sums,
    )


def _part(part: Part, more: Part) -> Part:
    buckets = {*part.latency, *more.latency}
    return msgspec.structs.replace(
        more,
        latency={at: part.latency.get(at, 0) + more.latency.get(at, 0) for at in sorted(buckets)},
        **{name: getattr(part, name) + getattr(more, name) for name in COLUMNS},
    )
