"""A plant of several variants: told of by variant, and scaled by variant by Foretide."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from lab.plant import ConstantStartup, Failures, Finished, Gauge, Plant, PlantParameters, Variant
from lab.plant.foretide import Foretide
from lab.plant.telemetry import PlantTelemetry
from lab.traces import Arrival
from models.domain.spec import AgentScaler
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry

BEGIN = 1_700_000_000.0

FAST = Variant(name="fast", initial_replicas=2, startup=ConstantStartup(5.0))
SLOW = Variant(name="slow", decode_per_s=20.0, initial_replicas=1, startup=ConstantStartup(9.0))
MIXED = PlantParameters(variants=(FAST, SLOW), queue_limit=10)


def crowd(per_s: int, length_s: int) -> list[Arrival]:
    """Requests of 2 s each at ``FAST``, of 3.8 s at ``SLOW``."""
    return [
        Arrival(at_s=second + number / per_s, tokens_in=500, tokens_out=72)
        for second in range(length_s)
        for number in range(per_s)
    ]


def spec(**more: Any) -> AgentScaler:
    """At most three of the fast ones; a replica carries 3 at once, whichever it is."""
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "service", "namespace": "lab"},
            "spec": {
                "variants": [
                    {"name": "fast", "target": {"name": "fast"}, "max": 3},
                    {"name": "slow", "target": {"name": "slow"}},
                ],
                "replicas": {"min": 1, "max": 20},
                "demand": {"unit": "concurrency", "perReplica": 3.0},
                "slo": {"latencySeconds": 10.0, "violations": 0.01},
                **more,
            },
        }
    )


def heard(plant: Plant, telemetry: PlantTelemetry, seconds: range) -> list[Telemetry]:
    return [
        record
        for second in seconds
        for record in telemetry.since(plant.advance(BEGIN + second), BEGIN + second)
    ]


def test_what_ended_and_what_pods_report_names_the_variant_and_what_was_dropped_none() -> None:
    plant = Plant(crowd(12, 20), MIXED, seed=1, begin=BEGIN)
    events = plant.advance(BEGIN + 60.0)
    ended = [event for event in events if isinstance(event, Finished)]
    assert {event.status for event in ended} == {"ok", "dropped"}
    for event in ended:
        served = (event.pod or "").split("-")
        assert event.variant == (served[1] if event.status == "ok" else "")
    assert {event.variant for event in ended} == {"fast", "slow", ""}
    gauges = [event for event in events if isinstance(event, Gauge)]
    assert all(event.variant == event.pod.split("-")[1] for event in gauges)


def test_what_is_lost_with_a_replica_names_the_replica_s_variant() -> None:
    failing = dataclasses.replace(MIXED, failures=Failures(mtbf_s=5.0, in_flight="lost"))
    plant = Plant(crowd(3, 60), failing, seed=1, begin=BEGIN)
    events = plant.advance(BEGIN + 90.0)
    lost = [e.variant for e in events if isinstance(e, Finished) and e.status == "error"]
    assert set(lost) == {"fast", "slow"}


def nameless(record: Request | Resource) -> Request | Resource:
    """Without its variant; and without its version, a value of its own in each record here."""
    return replace(record, variant=UNSET, v=1)


def moved(plant: Plant, telemetry: PlantTelemetry) -> list[Telemetry]:
    """A minute in which the fast grow from two to three and the slow give up their only one."""
    records = heard(plant, telemetry, range(1, 11))
    plant.scale(3, BEGIN + 10, "fast")
    records += heard(plant, telemetry, range(11, 21))
    plant.scale(0, BEGIN + 20, "slow")
    plant.scale(2, BEGIN + 20, "fast")
    return records + heard(plant, telemetry, range(21, 61))


def test_variants_add_up_to_the_whole() -> None:
    """The same run told twice, by variant and as one: nothing differs but that variants are named.

    Reports are of the same moments, and their numbers and start-ups add up.
    """
    runs = [Plant(crowd(4, 40), MIXED, seed=1, begin=BEGIN) for _ in range(2)]
    whole = moved(runs[0], PlantTelemetry("lab/service", runs[0]))
    parts = moved(runs[1], PlantTelemetry("lab/service", runs[1], by_variant=True))
    assert [nameless(r) for r in parts if not isinstance(r, ReplicaReport)] == [
        nameless(r) for r in whole if not isinstance(r, ReplicaReport)
    ]
    ended = [r for r in parts if isinstance(r, Request) and r.phase == "finished"]
    by = Counter(record.variant for record in ended)
    assert set(by) == {"fast", "slow"}
    assert by.total() == runs[0].account.served
    assert {r.variant for r in parts if isinstance(r, Request) and r.phase == "started"} == {UNSET}
    sums: dict[float, list[Any]] = {}
    for record in parts:
        if isinstance(record, ReplicaReport):
            row = sums.setdefault(record.at, [0, 0, 0, ()])
            row[0] += record.desired
            row[1] += record.ready
            row[2] += record.starting
            row[3] += record.started_s
    assert sums == {
        record.at: [record.desired, record.ready, record.starting, record.started_s]
        for record in whole
        if isinstance(record, ReplicaReport)
    }


def test_each_variant_is_reported_by_itself() -> None:
    plant = Plant(crowd(4, 40), MIXED, seed=1, begin=BEGIN)
    records = moved(plant, PlantTelemetry("lab/service", plant, by_variant=True))
    told = {
        name: [
            (r.at - BEGIN, r.desired, r.ready, r.starting, r.started_s)
            for r in records
            if isinstance(r, ReplicaReport) and r.variant == name
        ]
        for name in ("fast", "slow")
    }
    # Ready at 15 s; at 20 s one leaves of each, and whoever drains is not counted any more.
    assert told["fast"][:4] == [
        (1.0, 2, 2, 0, ()),
        (11.0, 3, 2, 1, ()),
        (15.0, 3, 3, 0, (5.0,)),
        (21.0, 2, 2, 0, ()),
    ]
    assert told["slow"][:4] == [
        (1.0, 1, 1, 0, ()),
        (11.0, 1, 1, 0, ()),
        (15.0, 1, 1, 0, ()),
        (21.0, 0, 0, 0, ()),
    ]


def test_a_decision_is_carried_out_by_variant() -> None:
    """36 in the system at 3 a replica want 12: three of the fast, which is their most, and slow."""
    plant = Plant(crowd(12, 300), dataclasses.replace(MIXED, queue_limit=1000), seed=1, begin=BEGIN)
    run = Foretide(plant, spec())
    for _ in range(300):
        run.second()
        if run.decisions:
            asked = run.decisions[-1].to.replicas
            held = {n: sum(not p.deleting for p in plant.pods(n)) for n in ("fast", "slow")}
            assert held == asked
    assert run.decisions[-1].to.replicas["fast"] == 3
    assert run.decisions[-1].to.replicas["slow"] >= 5
    assert plant.ready == plant.desired == sum(run.decisions[-1].to.replicas.values())
    plant.close()


def test_what_it_decides_is_not_carried_out_unless_it_acts() -> None:
    plant = Plant(crowd(12, 60), MIXED, seed=1, begin=BEGIN)
    run = Foretide(plant, spec(), acts=False)
    for _ in range(60):
        run.second()
    assert run.decisions
    assert len(plant.pods()) == 3


def test_variants_that_the_plant_does_not_have_are_refused() -> None:
    one = Plant([], PlantParameters(), seed=1, begin=BEGIN)
    with pytest.raises(ValueError, match=r"the spec's variants are \['fast', 'slow'\]"):
        Foretide(one, spec())


def test_a_release_of_several_variants_is_refused() -> None:
    run = Foretide(Plant([], MIXED, seed=1, begin=BEGIN), spec())
    with pytest.raises(ValueError, match="several variants"):
        run.release("slow", "fast")
