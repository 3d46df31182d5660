"""Totals are exact though aggregate is killed, and others join, on a real Kafka."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from lab.servers import ControlPlane, KafkaServer
from models.domain.load import Load, Progress
from models.merge import Merge
from streams import codec
from streams.kafka.reader import read
from streams.settings import Settings
from tests.live import stack

EVENTS = 4000
SECONDS = 12.0


async def publish(settings: Settings) -> int:
    """Single events of four workloads, spread over all partitions, some of them late."""
    chance = random.Random(7)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    sends = []
    try:
        for number in range(EVENTS):
            late = chance.expovariate(1.0) if number % 10 == 0 else 0.0
            event = {
                "v": 1,
                "kind": "request",
                "workload": f"default/w{number % 4}",
                "at": time.time() - late,
                "latency_s": 0.1,
            }
            topic = f"{settings.topic_prefix}telemetry"
            sends.append(
                await producer.send(topic, json.dumps(event).encode(), partition=number % 4)
            )
            await asyncio.sleep(SECONDS / EVENTS)
        await asyncio.gather(*sends)
        return len(sends)
    finally:
        await producer.stop()


async def counted(settings: Settings) -> tuple[int, int]:
    """(events in the loads, load records read): every partition's records, merged as plan does."""
    merge, seen = Merge(lateness_s=2.0), 0
    async for value in read(settings, "load", from_start=True, follow=False):
        for record in codec.load_records(value):
            if isinstance(record, Load):
                seen += 1
                merge.add(record)
            else:
                assert isinstance(record, Progress)
    return sum(merge.totals().values()), seen


@pytest.mark.timeout(180)
async def test_killed_and_joined_by_others_the_totals_are_exact(
    kafka: KafkaServer, control_plane: ControlPlane, tmp_path: Path
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap, session_timeout_s=3.0)
    await stack.make_topics(settings)
    workers = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        workers.append(
            stack.WorkerProcess(
                settings, folder=folder, plane=control_plane, specs=None, roles="aggregate"
            )
        )
    first, second, third = workers
    first.start()
    second.start()
    try:
        await stack.until(first.ready)
        await stack.until(second.ready)
        publishing = asyncio.create_task(publish(settings))
        await asyncio.sleep(3)
        first.kill()
        await asyncio.sleep(2)
        third.start()
        await asyncio.sleep(2)
        second.kill()
        acknowledged = await publishing
        total = seen = 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            total, seen = await counted(settings)
            if total >= acknowledged:
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)  # Nothing is counted twice by what still comes.
        total, seen = await counted(settings)
        assert total == acknowledged == EVENTS
        assert seen > 0
    finally:
        third.stop()
