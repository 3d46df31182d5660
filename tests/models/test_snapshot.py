"""A fleet restored from snapshots goes on as the one that was never interrupted, byte for byte."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from models.domain.load import Load, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.fleet import Fleet, MemberState
from models.merge import MergeState
from models.step import SpecChange, Step

BEGIN = 1_700_000_000
WORKLOADS = [f"prod/w{number}" for number in range(6)]

encode = msgspec.json.Encoder().encode
pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(MemberState).decode
unpack_merge = msgspec.msgpack.Decoder(MergeState).decode


def spec(workload: str, **changes: Any) -> AgentScaler:
    name = workload.partition("/")[2]
    return AgentScaler.model_validate(
        {
            "metadata": {"name": name, "namespace": "prod"},
            "spec": {
                "target": {"name": name},
                "demand": {"unit": "requests", "perReplica": 3},
                "replicas": {"min": 1, "max": 40},
                **changes,
            },
        }
    )


MORE: dict[int, dict[str, Any]] = {
    2: {
        "replicas": {"min": 0, "max": 40, "cooldownPeriodSeconds": 10},
        "slo": {"latencySeconds": 0.3},
    },
    3: {
        "schedules": [{"start": "16 22 * * *", "end": "20 22 * * *", "min": 7}],
        "slo": {"latencySeconds": 0.3},
        "drain": {"budgetSeconds": 30},
    },
}
"""With memories of their own: of silence, of effects, of when bounds change."""

SPECS = {
    name: spec(
        name,
        **(
            {"slo": {"latencySeconds": 0.4, "violations": 0.01}, "demand": {"unit": unit}}
            if number == 5
            else {"demand": {"unit": unit, "perReplica": 3}, **MORE.get(number, {})}
        ),
    )
    for number, (name, unit) in enumerate(
        zip(WORKLOADS, ["requests", "concurrency", "tokens"] * 2, strict=True)
    )
}


def steps(seconds: int, seed: int) -> list[Step]:
    """Load of some minutes with everything in it: bursts, silence, late events, open blocks."""
    chance = random.Random(seed)
    desired = dict.fromkeys(WORKLOADS, 1)
    made = [
        Step(
            now=BEGIN,
            generation=3,
            era=0,
            specs=tuple(
                SpecChange(workload=name, revision=number + 1, spec=SPECS[name])
                for number, name in enumerate(WORKLOADS)
            ),
        )
    ]
    offset = 0
    for second in range(BEGIN, BEGIN + seconds):
        records: list[Load | Progress] = []
        for name in WORKLOADS:
            if chance.random() < 0.1:
                continue
            finished = int(chance.lognormvariate(2, 0.7))
            late = chance.choice([0, 0, 0, 1, 7])
            offset += 1
            records.append(
                Load(
                    workload=name,
                    second=second - late,
                    source=0,
                    block=(offset // 20) * 20,
                    reach=offset,
                    sent_us=(second - late) * 1_000_000 + 5,
                    events=finished + 1,
                    started=finished + chance.randrange(3),
                    sessions=chance.randrange(2) if finished else 0,
                    finished=finished,
                    latency_count=finished,
                    latency_us=finished * 300_000,
                    latency={chance.randrange(300, 330): finished} if finished else {},
                    tokens_in=finished * 3,
                    tokens_out=finished,
                    replicas={
                        "default": ReplicaGauge(
                            at_us=second * 1_000_000,
                            desired=desired[name],
                            ready=desired[name],
                            starting=0,
                        )
                    },
                    started_s=(chance.uniform(5, 40),) if chance.random() < 0.05 else (),
                )
            )
            if chance.random() < 0.1:
                desired[name] = chance.randrange(1, 10)
        if chance.random() < 0.9:
            done = (offset // 20) * 20 - 20
            report = SourceProgress(
                source=0, position=offset + 1, watermark=second + 1.0, done=max(done, 0)
            )
            records.append(Progress(sources=1, progress=(report,)))
        half = len(records) // 2
        now = second + 1.2
        made.append(Step(now=now, generation=3, era=0, records=tuple(records[:half])))
        made.append(Step(now=now + 0.3, generation=3, era=0, records=tuple(records[half:])))
        made.append(Step(now=now + 0.5, generation=3, era=0, tick=True))
    return made


def told(results: list[Any]) -> list[bytes]:
    return [
        encode(record) for result in results for record in (*result.forecasts, *result.decisions)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_restored_fleet_decides_as_the_uninterrupted_one(seed: int) -> None:
    every = steps(600, seed)
    chance = random.Random(seed)
    begin = chance.randrange(20, len(every) - 400)
    lived = Fleet(lateness_s=1.0, valid_s=20)
    heads: bytes = b""
    snapshots: dict[str, bytes] = {}
    # One workload after the other, while the steps go on: no two from the same step.
    due = {begin + 1 + chance.randrange(100): name for name in WORKLOADS}
    wanted: list[Any] = []
    for number, step in enumerate(every):
        if number == begin:
            heads = pack(lived.merge.state())
        if number in due:
            (state,) = lived.states([due[number]], number)
            snapshots[due[number]] = pack(state)
        result = lived.apply(step)
        if number >= begin + 150:
            wanted.append(result)
    restored = Fleet(lateness_s=1.0, valid_s=20)
    restored.merge.restore(unpack_merge(heads))
    position = {}
    for name in due.values():
        state = unpack(snapshots[name])
        restored.restore(state)
        position[name] = state.position
    missing = [name for name in WORKLOADS if name not in position]
    assert not missing
    found: list[Any] = []
    for number, step in enumerate(every[begin:], start=begin):
        had = {name for name, at in position.items() if number < at}
        result = restored.apply(step, without=had)
        if number >= begin + 150:
            found.append(result)
    assert told(found) == told(wanted)
    assert len(told(wanted)) > 20
    assert restored.merge.totals() == lived.merge.totals()
    assert restored.merge.corrections == lived.merge.corrections


def test_a_state_of_the_wrong_shape_is_refused() -> None:
    fleet = Fleet(lateness_s=1.0, valid_s=20)
    for step in steps(60, 1):
        fleet.apply(step)
    (state,) = fleet.states(WORKLOADS[:1], 0)
    window = msgspec.structs.replace(state.window, sums={"finished": b"\0" * 8})
    with pytest.raises(ValueError, match="seconds"):
        fleet.restore(msgspec.structs.replace(state, window=window))
