"""Takeover on a real Kafka: killed and paused, plan goes on as if it had never been interrupted."""

from __future__ import annotations

import asyncio

import pytest

from tests.live.benches import LIMIT_S, Bench


@pytest.mark.bench(
    "recovery.py",
    *("--workloads=30", "--kills=1", "--pauses=1"),
    *("--session-timeout-s=3", "--snapshot-interval-s=3"),
)
@pytest.mark.timeout(LIMIT_S + 30)
async def test_decisions_after_a_kill_and_a_pause_are_those_of_an_uninterrupted_run(
    benches: dict[str, Bench],
) -> None:
    found = await asyncio.to_thread(benches["recovery.py"].result)
    assert found["identical"]
    assert found["recorded"] > found["workloads"]
    assert found["owners"] > 4, "no partition changed hands"
    assert None not in found["resumed_s"]
    taken_up = [line for line in found["recovery_log"] if "taken up" in line]
    assert taken_up, "nothing was restored"
    assert not [line for line in found["recovery_log"] if "discarded" in line]
