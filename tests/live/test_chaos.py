"""A short run of the chaos harness: exact though killed, paused, rebalanced, and redelivered."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.servers import ToolsMissingError, kafka_classpath
from tests.live.conftest import missing

HARNESS = Path(__file__).parents[2] / "bench" / "chaos.py"
SEED = 4
MINUTES = 0.7
LIMIT_S = 240


@pytest.mark.timeout(LIMIT_S + 30)
async def test_a_minute_of_chaos_changes_no_total() -> None:
    try:
        kafka_classpath()
    except ToolsMissingError as error:
        missing(error)
    command = [sys.executable, str(HARNESS), "--json"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--seed", str(SEED), "--minutes", str(MINUTES), "--rate", "400"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr[-6000:]}"
    found = json.loads(done.stdout)
    assert found["counted"] == found["sent"] == found["in_log"] > 0
    assert found["rejected_found"] == found["rejected_expected"] > 0
    for disturbance in (
        "kills",
        "pauses",
        "broker_restarts",
        "broker_stalls",
        "duplicated_partials",
    ):
        assert found[disturbance] > 0, f"nothing was disturbed by {disturbance}"
    assert found["joins"] + found["leaves"] > 0
    assert found["corrections"] > 0
    assert found["echoes"] > found["duplicated_partials"], "nothing was folded twice"
    assert found["truncation_alarms"] == 1
