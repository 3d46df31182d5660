"""Records of an unknown version on Foretide's own topics: told, counted, passed over."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec import structs

from actuators.clock import SystemClock
from actuators.memory import MemoryActuator
from models.domain.decision import Epoch
from models.domain.load import Load, Progress
from models.domain.outcome import Result
from models.domain.rejected import Rejected
from streams import codec
from streams.app import build
from streams.cli.tail import _tail
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.outbox import acknowledged
from streams.kafka.reader import read
from streams.settings import Settings
from streams.topics import Name
from tests.actuators.test_dispatcher import agent, decision


def newer(value: bytes) -> bytes:
    return json.dumps({**json.loads(value), "v": 2, "meaning": "not yet known"}).encode()


async def rejections(settings: Settings, least: int) -> list[Rejected]:
    found: list[Rejected] = []
    for _ in range(200):
        values = read(settings, "rejected", from_start=True, follow=False)
        found = [codec.rejected(value) async for value in values]
        if len(found) >= least:
            break
        await asyncio.sleep(0.1)
    return found


async def test_what_a_newer_worker_wrote_is_told_with_its_place_and_stops_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker = await asyncio.to_thread(EmbeddedBroker, topic_prefix="foretide.")
    settings = Settings(
        bootstrap=broker.bootstrap,
        web_host="127.0.0.1",
        web_port=0,
        fetch_max_wait_ms=5,
        roles=("plan", "allocate", "actuate"),
    )
    clock = SystemClock()
    actuator = MemoryActuator(clock, undeclared=1)
    worker = build(settings, clock=clock, actuator=actuator, specs=[agent()], check_topics=False)
    await worker.start()
    try:
        await asyncio.wait_for(worker.ready(), 30)
        load = codec.encode(
            Load(workload="prod/bot", second=1, source=0, block=0, reach=0, sent_us=0, events=1)
        )
        progress = codec.encode(Progress(sources=1, progress=()))
        made = decision(3, epoch=Epoch(1, 0, 1, 2))
        good = codec.encode(structs.replace(made, at=clock.now(), valid_until=clock.now() + 60))
        sends: list[tuple[Name, bytes]] = [
            ("load", newer(progress)),
            ("load", b"[" + load + b"," + newer(load) + b"]"),
            ("proposals", newer(b"{}")),
            ("decisions", newer(good)),
            ("decisions", good),
        ]
        for topic, value in sends:
            await acknowledged([await worker.outbox.send(topic, value, key=None, partition=0)])
        found = await rejections(settings, 4)
        assert sorted((r.topic, r.offset, r.index, r.field) for r in found) == [
            ("foretide.decisions", 0, None, "$.v"),
            ("foretide.load", 0, None, "$.v"),
            ("foretide.load", 1, 1, "$.v"),
            ("foretide.proposals", 0, None, "$.v"),
        ]
        assert all("unknown schema version" in r.reason for r in found)
        for _ in range(100):
            values = read(settings, "outcomes", from_start=True, follow=False)
            outcomes = [codec.outcome(value) async for value in values]
            if outcomes:
                break
            await asyncio.sleep(0.1)
        # The decision after the one that could not be read was taken up.
        assert [outcome.result for outcome in outcomes] == [Result.APPLIED]
        registry = worker.metrics.registry
        counted = {
            topic: registry.get_sample_value("foretide_unreadable_total", {"topic": topic})
            for topic in ("foretide.load", "foretide.proposals", "foretide.decisions")
        }
        assert list(counted.values()) == [2, 1, 1]
        assert all(role.stuck() is None for role in worker.roles)
        await _tail(settings, "decisions", as_json=False, from_start=True, follow=False)
        told = capsys.readouterr()
        assert "2 → 3" in told.out
        assert "$.v: unknown schema version" in told.err
    finally:
        await worker.stop()


@pytest.mark.parametrize("value", [b"", b"{", b'{"v":1}', b"[" * 20_000])
def test_a_damaged_record_is_no_other_than_one_of_an_unknown_version(value: bytes) -> None:
    records, faults = codec.loads(value)
    assert (records, len(faults)) == ([], 1)
