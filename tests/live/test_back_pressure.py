"""The API server hangs while decisions come, then the broker while outcomes go.

Rule: it is the servers' own processes that are stopped, so every connection stalls as it does in
earnest.  Ingest goes on, what is held stays bounded; afterwards each workload stands at its
newest decision, and each decision was told once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from actuators.kubernetes.actuator import EPOCH_ANNOTATION
from lab.servers import ControlPlane, KafkaServer
from models.domain.decision import Decision
from models.domain.load import Load
from models.domain.outcome import Result
from models.merge import Merge
from streams import codec
from streams.kafka.reader import read
from streams.settings import Settings
from tests.live import acting, stack

NAMES = tuple(f"pressed-{number}" for number in range(8))
ROUNDS = 4
DECISIONS = 200
"""Of each workload, in each round: 6,400 in all, some 10 MB on the log."""

GROWTH_BYTES = 10 * 1024 * 1024
"""Memory that the later rounds may add.  Held are 16 decisions; eight rounds added 2.4 MB."""


async def counted(settings: Settings) -> int:
    merge = Merge(lateness_s=2.0)
    async for value in read(settings, "load", from_start=True, follow=False):
        for record in codec.load_records(value):
            if isinstance(record, Load):
                merge.add(record)
    return merge.totals().get("default/counted", 0)


async def send(settings: Settings, events: int) -> None:
    options = {"acks": "all", "enable_idempotence": True}
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, **options)
    await producer.start()
    try:
        event = {"v": 1, "kind": "request", "workload": "default/counted", "at": time.time()}
        topic, value = f"{settings.topic_prefix}telemetry", json.dumps(event).encode()
        await asyncio.gather(*[await producer.send(topic, value) for _ in range(events)])
    finally:
        await producer.stop()


@pytest.mark.timeout(180)
async def test_the_api_server_hangs(
    kafka: KafkaServer, granted: ControlPlane, tmp_path: Path
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap, request_timeout_s=2.0)
    await stack.make_topics(settings)
    specs = tmp_path / "specs.yaml"
    specs.write_text("\n---\n".join(stack.scaler(name) for name in NAMES))
    for name in NAMES:
        granted.create_deployment(name)
    worker = stack.WorkerProcess(
        settings, folder=tmp_path, plane=granted, specs=specs, roles="aggregate,actuate"
    )
    worker.start()
    try:
        await stack.until(worker.ready, what="worker ready")
        made = [acting.decided(name, 1, 2) for name in NAMES]
        await acting.publish(settings, made)
        await acting.all_answered(settings, made)
        granted.pause()
        sizes = []
        try:
            for turn in range(ROUNDS):
                begin = 2 + turn * DECISIONS
                more = [
                    acting.decided(name, sequence, 2 + sequence % 7)
                    for sequence in range(begin, begin + DECISIONS)
                    for name in NAMES
                ]
                made += more
                await acting.publish(settings, more)
                await send(settings, 500)
                await _until_counted(settings, 500 * (turn + 1))
                await _until_told(settings, made)
                sizes.append(worker.resident_bytes())
        finally:
            granted.resume()
        assert sizes[-1] - sizes[0] < GROWTH_BYTES
        found = await acting.all_answered(settings, made)
        told = {key: [outcome.result for outcome in one] for key, one in found.items()}
        newest = {decision.workload: decision for decision in made}
        assert all(told.pop(one.id) == [Result.APPLIED] for one in newest.values())
        for decision in made[: len(NAMES)]:
            assert told.pop(decision.id) == [Result.APPLIED]
        assert Counter(len(results) for results in told.values()) == {1: len(told)}
        for name in NAMES:
            decision = newest[f"default/{name}"]
            stands = await asyncio.to_thread(stack.read_deployment, granted, name)
            assert stands["spec"]["replicas"] == decision.to.replicas["default"]
            assert stands["metadata"]["annotations"][EPOCH_ANNOTATION] == str(decision.epoch)
        await _broker_stalls(settings, kafka)
    finally:
        worker.stop()


async def _broker_stalls(settings: Settings, kafka: KafkaServer) -> None:
    """Outcomes wait for the broker, and each is told once when it is back."""
    begin = 2 + ROUNDS * DECISIONS
    made = [
        acting.decided(name, sequence, 2 + sequence % 7)
        for sequence in range(begin, begin + DECISIONS)
        for name in NAMES
    ]
    await acting.publish(settings, made)
    await asyncio.to_thread(kafka.pause)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(kafka.resume)
    found = await acting.all_answered(settings, made)
    assert {len(told) for told in found.values()} == {1}
    for decision in made[-len(NAMES) :]:
        assert [outcome.result for outcome in found[decision.id]] == [Result.APPLIED]


async def _until_told(settings: Settings, made: list[Decision]) -> None:
    """All but two decisions of each workload have their outcome while the platform hangs."""
    deadline = time.monotonic() + 15
    while True:
        answered = await acting.outcomes(settings, made)
        open_ = sum(not told for told in answered.values())
        if open_ <= 2 * len(NAMES):
            return
        assert time.monotonic() < deadline, f"{open_} decisions are open"
        await asyncio.sleep(0.1)


async def _until_counted(settings: Settings, events: int) -> None:
    """Ingest goes on: what has just been sent is counted while the platform still hangs."""
    deadline = time.monotonic() + 15
    while (found := await counted(settings)) < events:
        assert time.monotonic() < deadline, f"{found} of {events} events counted"
        await asyncio.sleep(0.1)
    assert found == events
