"""A recording as a trial: the same demand that plan had, and errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from models import sketch
from models.domain.load import Load, PodGauge, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from streams import codec
from streams.cli import group
from streams.kafka.embedded import EmbeddedBroker
from streams.recorded import Recorded, read
from streams.steplog import RecordingError, SpecRecord, StepRecord

BEGIN = 1_700_000_000
WORKLOAD = "prod/bot"


def spec(workload: str = WORKLOAD, **more: Any) -> SpecRecord:
    namespace, _, name = workload.partition("/")
    body = {
        "target": {"name": name},
        "replicas": {"min": 1, "max": 50},
        "demand": {"unit": "requests", "perReplica": 2.0},
        "slo": {"latencySeconds": 10.0, "violations": 0.02},
    }
    return SpecRecord(
        workload=workload,
        revision=1,
        spec={
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "AgentScaler",
            "metadata": {"name": name, "namespace": namespace},
            "spec": body | more,
        },
    )


def load(second: int, *, source: int = 0, reach: int = 0, **more: Any) -> Load:
    some = {"workload": WORKLOAD, "block": second, "sent_us": (BEGIN + second) * 1_000_000}
    return Load(
        second=BEGIN + second,
        source=source,
        reach=reach,
        events=more.get("started", 0) + 1,
        **(some | more),
    )


def progress(second: int, sources: int = 1) -> Progress:
    """All are read up to the end of ``second``, with the lateness of 2 s over."""
    mark = float(BEGIN + second + 1 + 2)
    return Progress(
        sources=sources,
        progress=tuple(
            SourceProgress(source=n, position=0, watermark=mark, done=0) for n in range(sources)
        ),
    )


def recording(folder: Path, steps: Sequence[StepRecord], **meta: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "steps.jsonl").write_bytes(b"".join(codec.encode(step) + b"\n" for step in steps))
    (folder / "meta.json").write_text(json.dumps({"lateness_s": 2.0, "valid_s": 60.0} | meta))
    return folder


def step(*records: Load | Progress, specs: tuple[SpecRecord, ...] = (), **more: Any) -> StepRecord:
    some = {"partition": 1, "now": float(BEGIN), "generation": 1, "era": 0}
    return StepRecord(records=records, specs=specs, **(some | more))


def test_each_second_is_what_its_partials_have_together(tmp_path: Path) -> None:
    """Two sources, a partial that grows, an echo, a late one, and two minutes of silence."""
    steps = [
        step(load(0, started=3), specs=(spec(),)),
        step(load(0, started=5, reach=2), load(0, started=3)),  # It grew; the old one is an echo.
        step(load(0, source=1, started=1), load(2, started=4)),
        step(progress(2, sources=2)),
        step(load(1, started=2)),  # After its second was complete.
        step(load(123, started=7), load(0, workload="prod/other", started=99)),
        step(progress(130, sources=2)),
    ]
    found = read(recording(tmp_path / "r", steps), WORKLOAD)
    expected = np.zeros(131)
    expected[[0, 1, 2, 123]] = 6, 2, 4, 7
    assert found.seconds.tolist() == expected.tolist()
    assert found.begin == BEGIN
    assert found.series(10).values.sum() == expected[:130].sum()
    assert found.series(10).seconds is not None


def test_a_second_that_no_source_is_known_past_does_not_count(tmp_path: Path) -> None:
    steps = [
        step(*(load(n, started=1) for n in range(20)), specs=(spec(),)),
        step(progress(9)),
        step(*(load(n, started=1) for n in range(20, 40))),
    ]
    assert len(read(recording(tmp_path / "r", steps)).seconds) == 10


def test_past_that_is_read_again_is_counted_once(tmp_path: Path) -> None:
    """A takeover relearns: the same loads stand in a step again."""
    loads = [load(n, started=n + 1) for n in range(12)]
    steps = [
        step(*loads[:8], specs=(spec(),)),
        step(*loads[:8], relearn=(WORKLOAD,), specs=(spec(),), fresh=True, generation=2),
        step(*loads[8:], progress(11), generation=2),
    ]
    assert read(recording(tmp_path / "r", steps)).seconds.tolist() == [*map(float, range(1, 13))]


def test_tokens_and_concurrency_are_the_meters(tmp_path: Path) -> None:
    tokens = [
        step(
            *(load(n, started=1, tokens_in_started=10, tokens_out=n) for n in range(8)),
            progress(7),
            specs=(spec(demand={"unit": "tokens", "perReplica": 100.0}),),
        )
    ]
    found = read(recording(tmp_path / "tokens", tokens))
    assert found.unit == "tokens"
    # Tokens out are of requests that finished; here none of them did, so the prompts remain.
    assert found.seconds.tolist() == [10.0 + n for n in range(8)]
    pods = [
        step(
            *(
                load(n, pods={"a": PodGauge(at_us=(BEGIN + n) * 1_000_000, in_flight=n)})
                for n in range(8)
            ),
            progress(7),
            specs=(spec(demand={"unit": "concurrency", "perReplica": 4.0}),),
        )
    ]
    assert read(recording(tmp_path / "pods", pods)).seconds.tolist() == [*map(float, range(8))]


def test_replicas_and_starts_are_what_was_reported(tmp_path: Path) -> None:
    def gauge(second: int, *counts: int) -> ReplicaGauge:
        desired, ready, starting = counts
        at_us = (BEGIN + second) * 1_000_000
        return ReplicaGauge(at_us=at_us, desired=desired, ready=ready, starting=starting)

    steps = [
        step(load(0, replicas={"a": gauge(0, 2, 2, 0)}), specs=(spec(),)),
        step(load(3, replicas={"b": gauge(3, 1, 0, 1)})),
        step(load(4, replicas={"a": gauge(4, 2, 2, 0)})),  # Nothing new.
        step(load(9, replicas={"b": gauge(9, 1, 1, 0)}, started_s=(6.0,), reach=1)),
        step(load(9, started_s=(6.0, 40.0), reach=2), load(11, started_s=(8.0,)), progress(11)),
    ]
    found = read(recording(tmp_path / "r", steps))
    seen = [(r.at - BEGIN, r.desired, r.ready, r.starting) for r in found.replicas]
    assert seen == [(0, 2, 2, 0), (3, 3, 2, 1), (9, 3, 3, 0)]
    assert sorted(found.started_s) == [6.0, 8.0, 40.0]
    assert found.startup_s == 8.0


@pytest.mark.parametrize(
    ("steps", "asked", "says"),
    [
        ([step(load(0), specs=(spec(), spec("prod/b")))], None, "prod/b, prod/bot; give one"),
        ([step(load(0), progress(0))], None, "no workload at all; give one"),
        ([step(load(0), specs=(spec(),))], "prod/x", "no load of prod/x; it has prod/bot"),
        ([step(load(0))], WORKLOAD, "begins too late, or nobody made one; give it with --spec"),
        ([step(load(0), specs=(spec(),))], None, "no second of prod/bot is complete"),
        ([step(specs=(spec(),))], None, "no load of prod/bot"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, steps: list[StepRecord], asked: str | None, says: str
) -> None:
    with pytest.raises(RecordingError) as error:
        read(recording(tmp_path / "r", steps), asked)
    assert says in str(error.value)


def test_what_is_no_recording_is_told_how_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"meta\.json.*make one with foretide record"):
        read(tmp_path)
    folder = recording(tmp_path / "r", [])
    (folder / "meta.json").write_text("{}")
    with pytest.raises(RecordingError, match="lateness_s"):
        read(folder)
    (folder / "meta.json").write_text('{"lateness_s": 2}')
    (folder / "steps.jsonl").write_text("{}\n")
    with pytest.raises(RecordingError, match=r"steps\.jsonl:1: not a step"):
        read(folder)


def minutes(count: int = 40, *, replicas: bool = True, starts: bool = True) -> list[StepRecord]:
    """Twelve requests a second; 10 replicas of 2 each, from 5 minutes on 12."""
    steps = [step(progress(-1), specs=(spec(),))]
    for minute in range(count):
        loads: list[Load | Progress] = []
        for second in range(60 * minute, 60 * minute + 60):
            more: dict[str, Any] = {}
            if replicas and second in {0, 300}:
                n = 10 if second == 0 else 12
                at_us = (BEGIN + second) * 1_000_000
                gauge = ReplicaGauge(at_us=at_us, desired=n, ready=n, starting=0)
                more["replicas"] = {"default": gauge}
            if starts and second == 310:
                more["started_s"] = (30.0,)
            loads.append(load(second, started=12, **more))
        steps.append(step(*loads, progress(60 * minute + 59)))
    return steps


def foretide(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(group, [*words], env=environment)


def test_shadow_scores_what_ran_and_foretide_alike(tmp_path: Path) -> None:
    folder = str(recording(tmp_path / "r", minutes()))
    done = foretide("shadow", "--from-log", folder, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["workload"], found["unit"], found["startup_s"]) == (WORKLOAD, "requests", 30.0)
    assert found["scored_s"] == 1200
    ran, ours = found["rows"]
    # 12 replicas for twenty minutes; 12 a second need 6 of 2 each.
    assert ran["policy"] == "what ran"
    assert ran["replica_hours"] == pytest.approx(12 / 3)
    assert ran["cost_ratio"] == pytest.approx(2.0)
    assert ran["violation"] == ran["unserved"] == ran["actions_per_hour"] == 0
    assert ours["policy"] == "foretide"
    assert 1.0 <= ours["cost_ratio"] < 2.0
    done = foretide("shadow", "--from", folder, "--json", str(tmp_path / "rows.json"))
    written = json.loads((tmp_path / "rows.json").read_text())
    for row in (*written["rows"], *found["rows"]):
        del row["us_per_decision"]
    assert written == found
    assert "what ran" in done.stdout
    assert "4.00" in done.stdout
    assert "fewer replica-hours" in done.stdout
    assert "start-up 30 s, the median of 1" in done.stdout


def test_backtest_runs_on_a_recording_by_its_own_spec(tmp_path: Path) -> None:
    folder = str(recording(tmp_path / "r", minutes()))
    done = foretide("backtest", "--from-log", folder, "--policies", "foretide,static")
    assert done.exit_code == 0, done.output
    assert "replicas 1 to 50, budget 2.00%" in done.stdout
    assert "start-up 30 s" in done.stdout
    done = foretide(
        *("backtest", "--from-log", folder, "--policies", "static"),
        *("--startup", "77", "--hours", "0.3", "--compose", "3"),
    )
    assert done.exit_code == 0, done.output
    assert "start-up 77 s, as given" in done.stdout
    assert "18 steps of 60 s" in done.stdout
    assert "flash crowd" in done.stdout


@pytest.mark.parametrize(
    ("steps", "words", "says"),
    [
        (minutes(replicas=False), ["shadow"], "publish records of kind replicas"),
        (minutes(starts=False), ["shadow"], "how long one takes is not known: say it (--startup)"),
        (minutes(2), ["backtest"], "record for longer, or give a shorter step with --step"),
        (minutes(), ["backtest", "--violations", "0.1"], "set slo.violations in it"),
        (minutes(), ["backtest", "--format", "nab"], "a recording has no format"),
        (
            [msgspec.structs.replace(minutes()[0], specs=(spec(demand={}),)), *minutes()[1:]],
            ["backtest"],
            "--capacity-per-replica",
        ),
    ],
)
def test_commands_say_what_to_do(
    tmp_path: Path, steps: list[StepRecord], words: list[str], says: str
) -> None:
    folder = str(recording(tmp_path / "r", steps))
    done = foretide(words[0], "--from-log", folder, *words[1:])
    assert done.exit_code != 0
    assert says in " ".join(done.output.split())


def test_a_trace_or_a_recording_and_not_both() -> None:
    assert "either --trace FILE or --from FOLDER" in foretide("backtest").output
    assert "neither a folder" in foretide("backtest", "--from-log", "nowhere").output


def test_the_step_log_on_kafka_is_read_as_its_recording_is(tmp_path: Path) -> None:
    steps = minutes(8)
    broker = EmbeddedBroker(topic_prefix="t.")
    try:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        offset = 0
        for one in steps:
            records, begin = one.records, offset
            for record in records:
                producer.produce("t.load", codec.encode(record), partition=1)
                offset += 1
            by_reference = msgspec.structs.replace(
                one, records=(), offsets=(begin, offset - 1) if records else None
            )
            producer.produce("t.steps", codec.encode(by_reference), partition=1)
        assert producer.flush(10) == 0
        words = ("shadow", "--json", "--bootstrap", broker.bootstrap)
        done = foretide(*words, FORETIDE_TOPIC_PREFIX="t.", FORETIDE_LATENESS_S="2")
    finally:
        broker.stop()
    assert done.exit_code == 0, done.output
    folder = str(recording(tmp_path / "r", steps))
    same = foretide("shadow", "--from-log", folder, "--json")
    for row in (rows := json.loads(done.stdout)["rows"] + json.loads(same.stdout)["rows"]):
        del row["us_per_decision"]
    assert rows[:2] == rows[2:]


def test_a_recording_is_read_with_a_spec_of_ones_own(tmp_path: Path) -> None:
    folder = recording(tmp_path / "r", [step(load(0, started=3), progress(0))])
    with pytest.raises(RecordingError):
        read(folder, WORKLOAD)
    given = msgspec.json.encode(spec("other/name").spec)
    found: Recorded = read(folder, WORKLOAD, AgentScaler.model_validate_json(given))
    assert found.workload == found.spec.workload == WORKLOAD


def test_requests_that_were_late_are_those_dropped_or_slower_than_the_slo(tmp_path: Path) -> None:
    """The SLO is 10 s; a partial that grew counts once, and what was dropped is late too."""
    slow, quick = sketch.bucket(11_000_000), sketch.bucket(900_000)
    steps = [
        step(load(0, finished=2, latency={quick: 2}), specs=(spec(),)),
        step(load(0, finished=4, latency={quick: 2, slow: 1}, dropped=1, reach=3)),
        step(load(5, finished=4, latency={quick: 4}), progress(9)),
    ]
    found = read(recording(tmp_path / "r", steps))
    assert found.ended.tolist() == [4, 0, 0, 0, 0, 4, 0, 0, 0, 0]
    assert found.late.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert found.measured_violation(0.0, 10.0) == 0.25
    assert found.measured_violation(1.0, 10.0) == 0.0
    assert found.measured_violation(6.0, 10.0) is None
    without = [step(load(0, finished=2, latency={slow: 2}), progress(3), specs=(spec(slo=None),))]
    assert read(recording(tmp_path / "n", without)).measured_violation(0.0, 4.0) is None
