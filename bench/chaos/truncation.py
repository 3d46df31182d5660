"""Truncation: what a worker says when the log begins after what it had committed.

Rule: events are lost then, and nothing can bring them back; that must be counted and said.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.settings import Settings

from .fleet import Fleet
from .watch import offsets

MESSAGES = 50
START_S = 60.0
_ALARMS = re.compile(r"^foretide_log_truncated_total (?P<count>\S+)$", re.MULTILINE)


async def truncation_alarms(settings: Settings, fleet: Fleet) -> int:
    """Cut one telemetry partition beyond the commit, start a worker, and ask it for its alarms.

    Nothing runs before.  Without the error in its log, an alarm counts for nothing.
    """
    await _publish(settings, partition=0)
    committed, ends = await offsets(settings)
    cut = (committed.get(0, 0) + ends[0]) // 2 + 1
    if not committed.get(0, 0) < cut <= ends[0]:
        raise AssertionError(f"no room to cut: committed {committed}, ends {ends}")
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    try:
        tp = TopicPartition(f"{settings.topic_prefix}telemetry", 0)
        await admin.delete_records({tp: RecordsToDelete(before_offset=cut)})
    finally:
        await admin.close()
    worker = fleet.start()
    deadline = time.monotonic() + START_S
    while (port := worker.port()) is None:
        if time.monotonic() > deadline or not worker.alive():
            raise AssertionError(f"{worker.name} did not become ready:\n{worker.process.log()}")
        await asyncio.sleep(0.2)
    metrics = await asyncio.to_thread(_scrape, port)
    found = _ALARMS.search(metrics)
    said = f"begins at {cut}, after the committed" in worker.log.read_text(errors="replace")
    return int(float(found["count"])) if found is not None and said else 0


async def _publish(settings: Settings, *, partition: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all")
    await producer.start()
    try:
        for _ in range(MESSAGES):
            event = {"v": 1, "kind": "request", "workload": "default/cut", "at": time.time()}
            await producer.send_and_wait(
                f"{settings.topic_prefix}telemetry", json.dumps(event).encode(), partition=partition
            )
    finally:
        await producer.stop()


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text
