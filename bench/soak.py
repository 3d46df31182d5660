"""Full load for minutes: how far the commits fall behind, and what memory the worker takes.

Rule: one worker of aggregate always finds more than it can take in; at the end the loads must add
up to the events sent.
Usage: python bench/soak.py [--minutes 10] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from chaos.fleet import Fleet, Worker
from chaos.watch import offsets
from confluent_kafka import Producer
from throughput_fill import counted, endless, say

from lab.servers import KafkaServer, ToolsMissingError
from models.domain.load import Progress
from streams import codec, topics
from streams.settings import Settings

TOGETHER = 10
"""Events of a message: so that one thread can publish more than the worker takes in."""

AHEAD = 2_000_000
"""Events that wait for the worker, or that it has not told of yet: a few seconds' worth."""

SAMPLE_S = 2.0
WARM_SHARE, WARM_S = 0.2, 60.0
"""Memory at the beginning is looked at after this share of the time, and no later than this."""

PROGRESS = b"progress"
"""The key of what a worker tells of its progress."""

KEPT_BYTES = 512 * 1024 * 1024
"""Of a partition of telemetry: what is older goes, or minutes of full load would fill the disk."""

READY_S, THROUGH_S = 60.0, 120.0


class SoakError(Exception):
    """The worker did not start, or did not finish."""


class Publisher:
    """Publishes from a thread of its own, ``AHEAD`` events ahead of what was folded."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent before ``start``."""
        self._topic = f"{settings.topic_prefix}telemetry"
        self._partitions = settings.partitions
        self._producer = Producer(
            {"bootstrap.servers": settings.bootstrap, "enable.idempotence": True, "linger.ms": 5}
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self.folded = 0
        """Events that the worker has folded, as it told last."""
        self.sent = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until the broker has everything; raises ``SoakError`` if not."""
        self._over.set()
        self._thread.join()
        if left := self._producer.flush(60):
            raise SoakError(f"{left} messages were not acknowledged")

    def _publish(self) -> None:
        for number, value in enumerate(endless(2000, together=TOGETHER)):
            while self.sent - self.folded > AHEAD and not self._over.is_set():
                self._producer.poll(0.002)
            if self._over.is_set():
                return
            while True:
                try:
                    self._producer.produce(self._topic, value, partition=number % self._partitions)
                except BufferError:
                    self._producer.poll(0.01)
                else:
                    break
            self.sent += TOGETHER


def main() -> None:
    """Run the bench; 1 when the totals differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of full load")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="foretide-soak-"))
    try:
        found = asyncio.run(_run(given.minutes * 60, folder))
    except (ToolsMissingError, SoakError) as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            if name != "samples":
                print(f"{name:24} {value:>14,}")
    sys.exit(0 if found["difference"] == 0 else 1)


async def _run(seconds: float, folder: Path) -> dict[str, Any]:
    say("starting Kafka")
    with KafkaServer(log_retention_check_interval_ms="2000") as kafka:
        settings = Settings(bootstrap=kafka.bootstrap, web_host="127.0.0.1", web_port=0)
        await topics.create(settings)
        await _keep_little(settings)
        fleet = Fleet(settings, folder)
        worker = fleet.start()
        try:
            return await _soak(seconds, settings, fleet, worker)
        finally:
            fleet.close()


async def _keep_little(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    try:
        kept = {"retention.bytes": str(KEPT_BYTES), "segment.bytes": str(KEPT_BYTES // 8)}
        kept |= topics.TABLE["telemetry"].config(settings.replication)
        topic = f"{settings.topic_prefix}telemetry"
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, kept)])
    finally:
        await admin.close()


async def _soak(seconds: float, settings: Settings, fleet: Fleet, worker: Worker) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    await _until(worker.ready, READY_S, "the worker is not ready")
    publisher = Publisher(settings)
    publisher.start()
    began = loop.time()
    follower = asyncio.create_task(_follow(settings, publisher))
    samples: list[tuple[float, int, float]] = []
    try:
        while loop.time() < began + seconds:
            await asyncio.sleep(SAMPLE_S)
            committed, ends = await offsets(settings)
            lag = max(ends[number] - committed.get(number, 0) for number in ends)
            samples.append((round(loop.time() - began, 1), lag, round(_rss_mb(worker), 1)))
            if len(samples) % 10 == 0:
                say(f"  {samples[-1]} {publisher.folded:,} events folded")
        folded, took = publisher.folded, loop.time() - began
        await asyncio.to_thread(publisher.stop)
        await _until(
            lambda: publisher.folded >= publisher.sent, THROUGH_S, "not all was told in time"
        )
    finally:
        follower.cancel()
    highest = worker.rss_mb()
    await fleet.leave(worker)
    say("counting")
    total = await asyncio.to_thread(counted, settings)
    warm = [sample for sample in samples if sample[0] <= min(seconds * WARM_SHARE, WARM_S)]
    settled = samples[max(len(warm) - 1, 0) :]
    return {
        "minutes": round(took / 60, 2),
        "events": publisher.sent,
        "counted": total,
        "difference": total - publisher.sent,
        "events_per_s": round(folded / took),
        "partitions": settings.partitions,
        "ahead_offsets": AHEAD // TOGETHER // settings.partitions,
        "max_commit_lag_offsets": max(lag for _, lag, _ in samples),
        "assignments": fleet.assignments(),
        "rss_begin_mb": settled[0][2],
        "rss_end_mb": settled[-1][2],
        "rss_max_mb": round(highest, 1),
        "samples": samples,
    }


async def _follow(settings: Settings, publisher: Publisher) -> None:
    """Hear what the worker tells of its progress: what it has folded and handed on.

    Its counter of events would count those again that a rebalance has it fold again.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(f"{settings.topic_prefix}load", 0)])
        positions: dict[int, int] = {}
        async for record in consumer:
            if record.key != PROGRESS:
                continue
            for told in codec.load_records(record.value):
                if isinstance(told, Progress):
                    positions |= {source.source: source.position for source in told.progress}
            publisher.folded = sum(positions.values()) * TOGETHER
    finally:
        await consumer.stop()


def _rss_mb(worker: Worker) -> float:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return 0.0 if found is None else int(found[1]) / 1024


async def _until(true: Any, limit_s: float, text: str) -> None:  # noqa: ANN401 - a callable
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            raise SoakError(text)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
