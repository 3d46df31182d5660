"""More workers than partitions: who gets no partition is ready, and holds nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streams.app import Worker, build
from streams.kafka.embedded import PARTITIONS, EmbeddedBroker
from streams.roles.plan import Plan
from streams.settings import Settings
from tests.actuators.test_dispatcher import agent

LIMIT_S = 30.0


def owned(workers: list[Worker]) -> list[frozenset[int] | None]:
    return [worker.roles[0].assigned for worker in workers]


async def settled(workers: list[Worker]) -> None:
    """Every partition is owned once."""
    for _ in range(int(LIMIT_S / 0.1)):
        found = owned(workers)
        numbers = [number for one in found if one is not None for number in one]
        if None not in found and sorted(numbers) == list(range(PARTITIONS)):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not shared out: {owned(workers)}")


async def test_a_worker_without_partitions_is_ready_and_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broker = await asyncio.to_thread(EmbeddedBroker, topic_prefix="foretide.")
    settings = Settings(
        bootstrap=broker.bootstrap,
        web_host="127.0.0.1",
        web_port=0,
        fetch_max_wait_ms=5,
        session_timeout_s=6.0,
        roles=("plan",),
    )
    workers = [build(settings, specs=[agent()], check_topics=False) for _ in range(PARTITIONS + 1)]
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        await asyncio.wait_for(asyncio.gather(*(w.ready() for w in workers)), LIMIT_S)
        await settled(workers)
        idle = [worker for worker in workers if worker.roles[0].assigned == frozenset()]
        assert idle
        for worker in idle:
            role = worker.roles[0]
            assert isinstance(role, Plan)
            assert role.totals() == {}
            assert role.progress() == []
            assert role.stuck() is None
        left = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
        assert left == [], "a worker leaves nothing on the disk"
    finally:
        for worker in workers:
            await worker.stop()
