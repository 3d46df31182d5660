"""The ends of what a spec and telemetry may say: no number of one workload ends the step of all.

Rule: whatever passes ``foretide check`` and the decoder is a number that a step survives.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from models.domain.spec import MOST_REPLICAS, AgentScaler
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.serves import replicas_for
from models.step import SpecChange
from tests.models.fleets import Driver, agent

OTHER = "prod/other"
LEAST, MOST = 1e-9, 1e15
MOST_COUNT = 1_000_000_000_000

SPECS: list[dict[str, Any]] = [
    *(
        {
            "demand": {"unit": unit, "perReplica": per},
            "replicas": {"min": low, "max": MOST_REPLICAS},
        }
        for unit, per, low in itertools.product(
            ("concurrency", "requests", "tokens"), (LEAST, MOST), (0, MOST_REPLICAS)
        )
    ),
    *(
        {"slo": {"latencySeconds": latency, "violations": share}, "weight": latency}
        for latency, share in itertools.product((LEAST, MOST), (1e-9, 1 - 1e-16))
    ),
    {"costPerHour": MOST, "resources": {"gpu": MOST}, "weight": MOST},
]


def told(at: float, size: int) -> list[Telemetry]:
    return [
        Request(v=1, workload=OTHER, at=at, latency_s=1e6, tokens_in=size, tokens_out=size),
        Request(v=1, workload=OTHER, at=at, phase="started", tokens_in=size),
        Resource(v=1, workload=OTHER, at=at, pod="q", in_flight=size, queue_depth=size),
        ReplicaReport(v=1, workload=OTHER, at=at, desired=1, ready=1, started_s=(MOST,)),
    ]


@pytest.mark.parametrize("size", [0, MOST_COUNT])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_no_number_of_one_workload_stops_another(spec: dict[str, Any], size: int) -> None:
    body = agent(**spec).model_dump(by_alias=True, exclude_unset=True)
    body["metadata"]["name"] = "other"
    other = AgentScaler.model_validate(body)
    beside, alone = Driver(), Driver()
    beside._spec = (*beside._spec, SpecChange(workload=OTHER, revision=1, spec=other))
    for second in range(150):
        demand = 30 if second > 90 else 5
        for driver in (beside, alone):
            # Replicas of ours follow our own decisions only.
            mine = [d for d in driver.decisions if d.workload != OTHER]
            driver.replicas = mine[-1].to.replicas["default"] if mine else 1
        alone.second(demand)
        beside.second(demand, events=told(beside.now + 1.0, size))
    ours = [(d.at, d.to) for d in beside.decisions if d.workload != OTHER]
    assert ours == [(d.at, d.to) for d in alone.decisions]
    assert ours[-1][1].replicas["default"] >= 8
    theirs = [d for d in beside.decisions if d.workload == OTHER]
    for decision in theirs:
        assert 0 <= sum(decision.to.replicas.values()) <= MOST_REPLICAS


@pytest.mark.parametrize(
    "spec",
    [
        {"demand": {"unit": "concurrency", "perReplica": 1e-310}},
        {"demand": {"unit": "concurrency", "perReplica": 1e300}},
        {"slo": {"latencySeconds": 1.0, "violations": 5e-324}},
        {"weight": 1e-300},
        {"costPerHour": 1e300},
    ],
    ids=str,
)
def test_numbers_that_no_sum_survives_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        agent(**spec)


def test_replicas_for_demand_are_no_more_than_a_spec_can_say() -> None:
    assert replicas_for(16.000000001, 8.0) == 2
    assert replicas_for(1e300, 1e-300) == MOST_REPLICAS
    assert replicas_for(0.0, 1e-300) == 0
