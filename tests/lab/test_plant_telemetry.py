"""What the plant tells Foretide: events as records, and the platform's view of its replicas."""

from __future__ import annotations

from msgspec import UNSET

from lab.plant import ConstantStartup, Plant, PlantParameters, Variant
from lab.plant.telemetry import PlantTelemetry
from lab.traces import Arrival
from lab.traces.session import Call, Session
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry

BEGIN = 1000.0


def made(name: str, first: bool) -> Variant:  # noqa: FBT001 - of this file
    return Variant(name=name, initial_replicas=int(first), startup=ConstantStartup(5.0))


def plant(*variants: str) -> Plant:
    """One request of 2 s; replicas that take 5 s to start."""
    parameters = PlantParameters(
        variants=tuple(made(n, n == variants[0]) for n in variants),
    )
    arrivals = (Arrival(at_s=0.5, tokens_in=500, tokens_out=72),)
    return Plant(arrivals, parameters, seed=1, begin=BEGIN)


def heard(telemetry: PlantTelemetry, told: Plant, seconds: range) -> list[Telemetry]:
    return [
        record
        for second in seconds
        for record in telemetry.since(told.advance(BEGIN + second), BEGIN + second)
    ]


def reports(records: list[Telemetry]) -> list[tuple[float, int, int, int, tuple[float, ...]]]:
    return [
        (r.at - BEGIN, r.desired, r.ready, r.starting, tuple(round(s, 6) for s in r.started_s))
        for r in records
        if isinstance(r, ReplicaReport)
    ]


def test_replicas_are_reported_when_they_change_and_each_start_once() -> None:
    told = plant("only")
    telemetry = PlantTelemetry("lab/service", told)
    records = heard(telemetry, told, range(1, 4))
    told.scale(2, BEGIN + 3)
    records += heard(telemetry, told, range(4, 20))
    # The one that stands at the begin started before anybody watched.
    assert reports(records) == [(1.0, 1, 1, 0, ()), (4.0, 2, 1, 1, ()), (8.0, 2, 2, 0, (5.0,))]


def test_a_request_is_told_when_it_arrives_and_when_it_has_ended() -> None:
    told = plant("only")
    records = heard(PlantTelemetry("lab/service", told), told, range(1, 6))
    started, ended = [r for r in records if isinstance(r, Request)]
    assert (started.phase, started.at - BEGIN, started.tokens_in) == ("started", 0.5, 500)
    assert (ended.phase, ended.status, ended.tokens_out) == ("finished", "ok", 72)
    assert ended.at - BEGIN == 0.5 + ended.latency_s
    gauges = [r for r in records if isinstance(r, Resource)]
    assert len(gauges) == 5
    assert [g.in_flight for g in gauges][:2] == [1, 1]
    assert all(r.workload == "lab/service" for r in records)


def test_the_first_call_of_a_session_says_that_it_opens_it() -> None:
    calls = tuple(
        Call(pause_s=1.0, turn=0, tokens_in=500, tokens_cached=0, tokens_out=7) for _ in range(3)
    )
    session = Session(name="s-1", start_s=2.0, calls=calls)
    arrivals = (Arrival(at_s=0.5, tokens_in=500, tokens_out=72),)
    told = Plant(arrivals, PlantParameters(), seed=1, begin=BEGIN, sessions=[session])
    records = heard(PlantTelemetry("lab/service", told), told, range(1, 20))
    requests = [r for r in records if isinstance(r, Request)]
    starts = [r.opens_session for r in requests if r.phase == "started"]
    assert starts == [UNSET, True, UNSET, UNSET]
    assert {r.opens_session for r in requests if r.phase == "finished"} == {UNSET}


def test_a_session_is_one_of_its_tenant() -> None:
    arrivals = [
        Arrival(at_s=float(n), tokens_in=5, tokens_out=7, tenant=tenant, session="s-1")
        for n, tenant in enumerate(["a", "b", "a", "b", "c"])
    ]
    told = Plant(arrivals, PlantParameters(), seed=1, begin=BEGIN)
    records = heard(PlantTelemetry("lab/service", told), told, range(1, 7))
    starts = [r for r in records if isinstance(r, Request) and r.phase == "started"]
    assert [r.opens_session is True for r in starts] == [True, True, False, False, True]


def test_of_plain_arrivals_the_first_of_a_session_opens_it() -> None:
    names = ("", "s-1", "", "s-2", "s-1", "s-2")
    arrivals = [
        Arrival(at_s=float(n), tokens_in=5, tokens_out=7, session=s) for n, s in enumerate(names)
    ]
    told = Plant(arrivals, PlantParameters(), seed=1, begin=BEGIN)
    records = heard(PlantTelemetry("lab/service", told), told, range(1, 9))
    starts = [r for r in records if isinstance(r, Request) and r.phase == "started"]
    assert [r.opens_session is True for r in starts] == [False, True, False, True, False, False]


def test_of_a_release_only_the_new_deployment_is_reported() -> None:
    told = plant("old", "new")
    telemetry = PlantTelemetry("lab/service", told)
    records = heard(telemetry, told, range(1, 3))
    told.scale(3, BEGIN + 2, "new")
    telemetry.variant = "new"
    records += heard(telemetry, told, range(3, 5))
    assert reports(records)[-1] == (3.0, 3, 1, 3, ())
    telemetry.variant = None  # All again, though nothing changed.
    assert reports(heard(telemetry, told, range(5, 6))) == [(5.0, 4, 1, 3, ())]
