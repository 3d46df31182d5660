"""The whole loop on the embedded broker, small: checks, recording, replay."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams import codec
from streams.cli import group
from streams.demo.options import WORKLOAD, Options
from streams.demo.run import Demo, DemoResult, as_json
from streams.kafka.outbox import acknowledged
from streams.recorded import read
from streams.roles.plan import Plan


def trace(path: Path, seconds: int) -> Path:
    chance = random.Random(4)
    at, rows = 0.0, []
    while at < seconds:
        at += chance.expovariate(4.0 if 60 < at < 120 else 1.0)
        row = {"at": at, "tokens_in": chance.randint(10, 4000), "tokens_out": chance.randint(1, 80)}
        rows.append(json.dumps(row))
    path.write_text("\n".join(rows))
    return path


BROKEN = [
    b"hello",
    b'{"v":9,"kind":"request","workload":"prod/x","at":1}',
    b'{"v":1,"kind":"request","workload":"prod/x","at":NaN}',
    b"",
    b"\0\0",
    b"[" * 10_000,
    b'[{"v":1,"kind":"request","workload":"prod/x","at":1},{"v":1,"kind":"request","at":1}]',
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoResult]:
    folder = tmp_path_factory.mktemp("demo")
    options = Options(trace=trace(folder / "t.jsonl", 240), speed=60.0, out=folder / "out")

    async def whole() -> DemoResult:
        async with Demo(options, say=lambda _: None) as demo:
            result = await demo.replay()
            plan = next(role for role in demo.worker.roles if isinstance(role, Plan))
            before = sum(plan.totals().values())
            sends = [await demo.worker.outbox.send("telemetry", v, key=None) for v in BROKEN]
            await acknowledged(sends)
            for _ in range(200):
                await asyncio.sleep(0.05)
                if demo.recorder.counts["rejected"] >= len(BROKEN):
                    break
            await demo.recorder.catch_up(timeout_s=5.0)
            # The good element of the array is counted, the worker goes on.
            assert sum(plan.totals().values()) == before + 1
            # After the replay the loop's time is the wall's: an event of now is not ahead of it.
            await demo.until_now()
            event = {"v": 1, "kind": "request", "workload": "prod/x", "at": time.time()}
            value = json.dumps(event).encode()
            await acknowledged([await demo.worker.outbox.send("telemetry", value, key=None)])
            for _ in range(100):
                await asyncio.sleep(0.05)
                if sum(plan.totals().values()) == before + 2:
                    break
            assert sum(plan.totals().values()) == before + 2
            return result

    return folder / "out", asyncio.run(whole())


def test_the_account_adds_up(run: tuple[Path, DemoResult]) -> None:
    _, result = run
    assert all(check.ok for check in result.checks), result.checks
    assert result.decisions > 0
    assert result.results[0].served > 200
    assert json.loads(json.dumps(as_json(result)))["ok"] is True


def test_each_bad_message_is_in_rejected_with_its_reason(run: tuple[Path, DemoResult]) -> None:
    folder, _ = run
    found = [codec.rejected(line) for line in (folder / "rejected.jsonl").read_bytes().splitlines()]
    assert len(found) == len(BROKEN)
    assert all(r.reason for r in found)
    assert len({(r.partition, r.offset, r.index) for r in found}) == len(BROKEN)
    assert [r.index for r in found if r.index is not None] == [1]


def test_the_recording_replays_byte_for_byte(run: tuple[Path, DemoResult]) -> None:
    folder, result = run
    found = CliRunner().invoke(group, ["replay", "--from", str(folder), "--json"])
    assert found.exit_code == 0, found.output
    shown = json.loads(found.output)
    assert shown["decisions"] == shown["recorded"] >= result.decisions


def test_a_changed_decision_is_noticed(run: tuple[Path, DemoResult], tmp_path: Path) -> None:
    folder, _ = run
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (folder / "decisions.jsonl").read_bytes().splitlines()
    changed = lines[0].replace(b'"to":{"replicas":{"default":', b'"to":{"replicas":{"default":1')
    (tmp_path / "decisions.jsonl").write_bytes(b"\n".join([changed, *lines[1:]]))
    found = CliRunner().invoke(group, ["replay", "--from", str(tmp_path)])
    assert found.exit_code == 1
    assert "differs" in found.output


def test_explain_reads_the_recording(run: tuple[Path, DemoResult]) -> None:
    folder, _ = run
    found = CliRunner().invoke(group, ["explain", WORKLOAD, "--from", str(folder)])
    assert found.exit_code == 0
    assert "Why " in found.output
    nobody = CliRunner().invoke(group, ["explain", "prod/nobody", "--from", str(folder)])
    assert nobody.exit_code == 1
    assert WORKLOAD in nobody.output


def test_a_folder_that_is_no_recording_is_said_to_be_none(tmp_path: Path) -> None:
    found = CliRunner().invoke(group, ["replay", "--from", str(tmp_path)])
    assert found.exit_code == 1
    assert "not a readable recording" in found.output


def test_the_recording_has_every_request_and_can_be_backtested(
    run: tuple[Path, DemoResult],
) -> None:
    folder, result = run
    spec = read(folder, WORKLOAD).spec
    counting = spec.spec.demand.model_copy(update={"unit": "requests"})
    body = spec.spec.model_copy(update={"demand": counting})
    counted = read(folder, WORKLOAD, spec.model_copy(update={"spec": body}))
    # Requests of the last seconds are recorded, and not yet known to be all of theirs.
    assert 0 <= result.results[0].served - counted.seconds.sum() <= 20
    words = ["shadow", "--from-log", str(folder), "--workload", WORKLOAD, "--step", "10", "--json"]
    found = CliRunner().invoke(group, [*words, "--startup", "20"])
    assert found.exit_code == 0, found.output
    ran, ours = json.loads(found.stdout)["rows"]
    assert ran["replica_hours"] > 0
    assert ours["cost_ratio"] > 0
