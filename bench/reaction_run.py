"""One run of the reaction bench: servers, a worker of all roles, and the two parts.

Rule: everything is started here, on loopback, and stopped whatever happens.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from reaction_follow import Sample, follow
from throughput_fill import say

from lab.servers import ControlPlane, KafkaServer
from lab.servers.process import Process
from models.domain.load import Progress
from streams import codec, topics
from streams.settings import Settings

BACKGROUND = 200
"""Workloads of the traffic beside; they are scaled like the others, and have what they need."""

QUIET_S = 10.0
"""After the start: all replicas have been reported."""

FULL_S, MEASURED_S = 5.0, 10.0
"""Full load before it is measured, and how long that takes."""

CAUGHT_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Phase:
    """Samples of one part, and how many events came to nothing."""

    samples: list[Sample]
    unmatched: int


@dataclass(frozen=True, slots=True)
class Found:
    """Both parts, and the traffic beside the second in events a second.

    ``capacity`` is what the worker took in when there was always more, ``rate`` what was sent
    while the samples were followed.
    """

    idle: Phase
    loaded: Phase | None = None
    capacity: int = 0
    rate: int = 0


class BenchError(Exception):
    """The worker did not keep up with what it was given."""


async def run(samples: int, *, loaded: bool) -> Found:
    """Start everything, measure, stop everything."""
    folder = Path(tempfile.mkdtemp(prefix="foretide-bench-"))
    try:
        say("starting Kafka and Kubernetes")
        with KafkaServer() as kafka, ControlPlane(pod_start_s=0.5) as plane:
            settings = Settings(bootstrap=kafka.bootstrap)
            await topics.create(settings)
            names = {
                part: [f"{part}{number:04d}" for number in range(samples + 1)]
                for part in ("idle-", "loaded-")[: 1 + loaded]
            }
            beside = [f"agent-{number:04d}" for number in range(BACKGROUND if loaded else 0)]
            specs = [_spec(name, "concurrency", 4) for each in names.values() for name in each]
            specs += [_spec(name, "requests", 1_000_000) for name in beside]
            (folder / "specs.yaml").write_text("\n---\n".join(specs))
            every = [*(name for each in names.values() for name in each), *beside]
            say(f"creating {len(every)} deployments")
            for name in every:
                await asyncio.to_thread(plane.create_deployment, name)
            async with _worker(folder, settings, plane):
                return await _measure(settings, names)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _worker(folder: Path, settings: Settings, plane: ControlPlane) -> AsyncIterator[None]:
    kubeconfig = folder / "kubeconfig.json"
    kubeconfig.write_text(json.dumps(plane.kubeconfig()))
    environment = {
        "FORETIDE_BOOTSTRAP": settings.bootstrap,
        "FORETIDE_KUBECONFIG": str(kubeconfig),
        "FORETIDE_SPECS": str(folder / "specs.yaml"),
        "FORETIDE_WEB_PORT": "0",
        "FORETIDE_WEB_HOST": "127.0.0.1",
        # Repeated reports would be the newest telemetry of a workload by chance.
        "FORETIDE_RESYNC_S": "3600",
        "PYTHONPATH": str(Path.cwd()),
    }
    command = [sys.executable, "-c", "from streams.cli import main; main()", "worker"]
    worker = Process("worker", command, folder, environment)
    worker.start()
    try:
        say("starting the worker")
        await asyncio.to_thread(
            worker.wait_until, lambda: "ready: roles" in worker.log(), limit_s=90
        )
        await asyncio.sleep(QUIET_S)
        yield
    except BaseException:
        say(worker.log())
        raise
    finally:
        worker.stop(limit_s=15)


async def _measure(settings: Settings, names: dict[str, list[str]]) -> Found:
    parts = [[f"default/{name}" for name in each] for each in names.values()]
    say(f"idle: following {len(parts[0]) - 1} events, one at a time")
    idle = Phase(*await follow(settings, parts[0]))
    if len(parts) == 1:
        return Found(idle)
    async with Traffic(settings) as traffic:
        say("full load, to see how much it takes in")
        capacity = await traffic.capacity()
        rate = round(capacity / 2)
        say(f"{capacity:,} events/s; going on with {rate:,}")
        await traffic.settle_at(rate)
        say(f"loaded: following {len(parts[1]) - 1} events, one at a time")
        before, began = await traffic.ends(), time.monotonic()
        loaded = Phase(*await follow(settings, parts[1]))
        sent = round((await traffic.ends() - before) / (time.monotonic() - began))
    return Found(idle, loaded, capacity, sent)


class Traffic:
    """The traffic beside, and how far the worker is with it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent before it is entered."""
        self._settings = settings
        self._folded = 0
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        topic = f"{settings.topic_prefix}telemetry"
        path = Path(__file__).with_name("reaction_load.py")
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own, started at once
            [sys.executable, str(path), settings.bootstrap, topic, str(settings.partitions)],
            stdin=subprocess.PIPE,
            text=True,
        )
        self._began = await self.ends()
        self._follower = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        try:
            await asyncio.to_thread(self._process.communicate, timeout=15)
        finally:
            self._process.kill()

    async def capacity(self) -> int:
        """Events a second that the worker takes in when it always finds more."""
        self._tell("rate 0")
        await asyncio.sleep(FULL_S)
        before, began = self._folded, time.monotonic()
        await asyncio.sleep(MEASURED_S)
        return round((self._folded - before) / (time.monotonic() - began))

    async def settle_at(self, rate: int) -> None:
        """Let the worker catch up, then send ``rate`` events a second.  Raises ``BenchError``."""
        self._tell("rate 1")
        deadline = time.monotonic() + CAUGHT_UP_S
        while await self.ends() - self._began - self._folded > rate:
            if time.monotonic() > deadline:
                raise BenchError(f"the worker has not caught up within {CAUGHT_UP_S:g} s")
            await asyncio.sleep(0.5)
        self._tell(f"rate {rate}")
        await asyncio.sleep(FULL_S)

    def _tell(self, line: str) -> None:
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(line + "\n")
        stdin.flush()

    async def ends(self) -> int:
        """Messages that telemetry has had."""
        topic = f"{self._settings.topic_prefix}telemetry"
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.bootstrap)
        await consumer.start()
        try:
            tps = [TopicPartition(topic, number) for number in range(self._settings.partitions)]
            return sum((await consumer.end_offsets(tps)).values())
        finally:
            await consumer.stop()

    async def _follow(self) -> None:
        """Hear of the worker's progress, and tell the sender."""
        settings = self._settings
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap)
        await consumer.start()
        positions: dict[int, int] = {}
        try:
            tp = TopicPartition(f"{settings.topic_prefix}load", 0)
            consumer.assign([tp])
            await consumer.seek_to_end(tp)
            async for record in consumer:
                if record.key != b"progress":
                    continue
                for told in codec.load_records(record.value):
                    if isinstance(told, Progress):
                        positions |= {source.source: source.position for source in told.progress}
                self._folded = max(sum(positions.values()) - self._began, 0)
                self._tell(f"folded {self._folded}")
        finally:
            await consumer.stop()


def _spec(name: str, unit: str, per_replica: int) -> str:
    return json.dumps(
        {
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "AgentScaler",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "target": {"kind": "Deployment", "name": name},
                # One more, and no further: an event is one patch, and leads to nothing later.
                "replicas": {"min": 1, "max": 2},
                "demand": {"unit": unit, "perReplica": per_replica},
            },
        }
    )
