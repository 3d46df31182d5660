"""A short run of the chaos harness: exact though killed, paused, rebalanced, and redelivered."""

from __future__ import annotations

import asyncio

import pytest

from tests.live.benches import LIMIT_S, Bench


@pytest.mark.bench("chaos.py", "--seed=4", "--minutes=0.7", "--rate=400")
@pytest.mark.timeout(LIMIT_S + 30)
async def test_a_minute_of_chaos_changes_no_total(benches: dict[str, Bench]) -> None:
    found = await asyncio.to_thread(benches["chaos.py"].result)
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
