"""Takeover on a real Kafka: killed and paused, plan goes on as if it had never been interrupted."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.servers import ToolsMissingError, kafka_classpath
from tests.live.conftest import missing

BENCH = Path(__file__).parents[2] / "bench" / "recovery.py"
LIMIT_S = 240


@pytest.mark.timeout(LIMIT_S + 30)
async def test_decisions_after_a_kill_and_a_pause_are_those_of_an_uninterrupted_run() -> None:
    try:
        kafka_classpath()
    except ToolsMissingError as error:
        missing(error)
    command = [sys.executable, str(BENCH), "--json", "--workloads", "30"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--kills=1", "--pauses=1", "--session-timeout-s=3", "--snapshot-interval-s=3"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr[-6000:]}"
    found = json.loads(done.stdout)
    assert found["identical"]
    assert found["recorded"] > found["workloads"]
    assert found["owners"] > 4, "no partition changed hands"
    assert None not in found["resumed_s"]
    taken_up = [line for line in found["recovery_log"] if "taken up" in line]
    assert taken_up, "nothing was restored"
    assert not [line for line in found["recovery_log"] if "discarded" in line]
