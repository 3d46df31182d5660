"""``foretide status`` on a real Kafka: well, and with a source, workers or the broker away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.servers import KafkaServer
from streams.settings import Settings
from streams.status.collect import collect
from streams.status.facts import Status
from streams.status.judge import judge
from tests.live import ledger, stack

LIMIT_S = 15.0
"""A broker that does not answer is said to be away well within this, on a busy machine too."""


async def status(settings: Settings, *more: str) -> tuple[int, str, str]:
    """(exit code, output, errors) of the command, given Kafka's address and the prefixes alone."""
    names = ("bootstrap", "topic_prefix", "group_prefix")
    given = {f"FORETIDE_{name.upper()}": str(getattr(settings, name)) for name in names}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from streams.cli import main; main()", "status", *more],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def until_well(settings: Settings) -> Status:
    """Healthy, all telemetry folded, as the next progress tells, and the loads of it committed."""
    for _ in range(50):
        found = await collect(settings)
        folded = all(one.behind_s == 0.0 for one in found.roles[0].partitions)
        committed = all(one.commit_age_s is not None for one in found.roles[1].partitions)
        if judge(found).healthy and folded and committed:
            return found
        await asyncio.sleep(0.3)
    raise AssertionError(judge(found))


@pytest.mark.timeout(150)
async def test_status_tells_how_it_stands_and_what_to_do(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap, session_timeout_s=15.0)
    problems = judge(await collect(settings)).problems
    assert sum("foretide topics create" in problem for problem in problems) == 10

    await stack.make_topics(settings)
    first, second = (
        stack.WorkerProcess(settings, folder=tmp_path / roles, plane=None, specs=None, roles=roles)
        for roles in ("aggregate,plan,actuate", "aggregate")
    )
    first.start()
    second.start()
    try:
        await stack.until(first.ready)
        await stack.until(second.ready)
        async with ledger.traffic(settings) as traffic:
            for number in range(40):
                await traffic.request("default/w", number % 4, time.time())
        await ledger.counted(settings, traffic.sent, limit_s=20)
        well = await until_well(settings)
        roles = {role.role: role for role in well.roles}
        assert (roles["aggregate"].members, roles["plan"].members) == (2, 1)
        assert roles["allocate"].members == 0  # Not needed: no pool, no proposal.
        for partition in roles["aggregate"].partitions:
            # The open block is lag to Kafka, though nothing of it waits.
            assert partition.lag == partition.end - (partition.committed or 0)
        assert sum(partition.lag for partition in roles["aggregate"].partitions) > 0
        assert all((one.commit_age_s or 0.0) < 10 for one in roles["plan"].partitions)
        assert all(one.watermark_age_s is not None for one in well.sources)
        assert all(one.missing_s is not None for one in well.loads)
        code, table, _ = await status(settings)
        assert code == 0
        assert table.rstrip().endswith("healthy")
        assert "no AgentScaler is published" in table

        second.pause()
        async with ledger.traffic(settings) as traffic:
            for number in range(40):
                await traffic.request("default/w", number % 4, time.time())
        await asyncio.sleep(4)
        sick = await collect(settings)
        old = [one.source for one in sick.sources if (one.watermark_age_s or 0.0) > 3.5]
        aggregate = sick.roles[0].partitions
        assert old == [one.partition for one in aggregate if (one.behind_s or 0.0) > 3.5]
        assert len(old) == 2
        assert all((one.missing_s or 0.0) > 2 for one in sick.loads)
        second.resume()
        await until_well(settings)
    finally:
        second.resume()
        for worker in (first, second):
            worker.stop()

    code, output, errors = await status(settings, "--json")
    assert (code, errors) == (1, "")
    problems = json.loads(output)["verdict"]["problems"]
    asked = [problem.split("Start one: ")[1] for problem in problems]
    assert asked == [f"foretide worker --role {role}" for role in ("aggregate", "plan", "actuate")]


@pytest.mark.timeout(90)
async def test_a_broker_that_does_not_answer_is_said_to_be_away_within_seconds(
    kafka: KafkaServer,
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap)
    kafka.pause()
    try:
        began = time.monotonic()
        code, output, errors = await status(settings)
        assert time.monotonic() - began < LIMIT_S
    finally:
        kafka.resume()
    assert (code, output) == (1, "")
    assert "cannot be reached" in errors
    assert "Traceback" not in errors
