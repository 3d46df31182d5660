"""One run of the scale bench: N specs, one worker, and a load a second of each workload.

Rule: specs are in the topic before the worker starts; events are sent evenly over each second, in
batches as clients send them, and what was not sent in time fails the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer
from scale_traffic import PER_MESSAGE, Demand, Events, name_of, spec_of
from scale_watch import Seen, Watch, machine_cpu_s, usage

from lab.servers import KafkaServer
from lab.servers.process import Process
from streams import topics
from streams.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
READY_S = 120.0
LINGER_MS = 5
SENT_LATE_S = 1.0
"""What a message may be sent later than it was planned for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was measured of a run.  CPU is in seconds by second of the wall."""

    workloads: int
    seconds: float
    sent: int
    sent_late_s: float
    seen: Seen
    ready_s: float
    rss_bytes: int
    worker_cpu: float
    kafka_cpu: float
    bench_cpu: float
    machine_cpu: float


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


async def run(workloads: int, *, warm_s: int, seconds: int) -> Run:
    """Run one worker with so many workloads; a Kafka of its own."""
    with KafkaServer() as kafka, tempfile.TemporaryDirectory(prefix="foretide-bench-") as folder:
        settings = Settings(bootstrap=kafka.bootstrap)
        await topics.create(settings)
        publish_specs(settings, workloads)
        async with _worker(settings, Path(folder)) as (worker, ready_s):
            say(f"{workloads:,} workloads: the worker was ready after {ready_s:.1f} s")
            return await _measure(
                settings,
                workloads,
                pids=(worker.pid, kafka.pid),
                ready_s=ready_s,
                warm_s=warm_s,
                seconds=seconds,
            )


def publish_specs(settings: Settings, workloads: int) -> None:
    """One spec for each workload; acknowledged when it returns."""
    producer = _producer(settings)
    for number in range(workloads):
        while True:
            try:
                producer.produce(
                    f"{settings.topic_prefix}workloads", spec_of(number), name_of(number)
                )
            except BufferError:
                producer.poll(0.05)
            else:
                break
    if producer.flush(60):
        raise TimeoutError("specs were not acknowledged")


def _producer(settings: Settings) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.bootstrap,
            "enable.idempotence": True,
            "linger.ms": LINGER_MS,
            "partitioner": "murmur2_random",
            "log_level": 3,  # A broker that has just started is not worth a warning.
            "delivery.report.only.error": True,
        }
    )


@contextlib.asynccontextmanager
async def _worker(settings: Settings, folder: Path) -> AsyncIterator[tuple[Process, float]]:
    """A worker of all roles, ready, and the seconds that it took."""
    command = [sys.executable, "-c", "from streams.cli import main; main()", "worker"]
    environment = {
        "FORETIDE_BOOTSTRAP": settings.bootstrap,
        "FORETIDE_ACTUATOR": "memory",
        "FORETIDE_WEB_PORT": "0",
        "FORETIDE_WEB_HOST": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    worker = Process("worker", command, folder, environment)
    began = time.monotonic()
    worker.start()
    try:
        await asyncio.to_thread(
            worker.wait_until, lambda: "ready: roles" in worker.log(), limit_s=READY_S
        )
        yield worker, time.monotonic() - began
        worker.wait_until(lambda: True, limit_s=1.0)  # It raises when it has died.
    except BaseException:
        say(worker.log())
        raise
    finally:
        await asyncio.to_thread(worker.stop, limit_s=15)


async def _measure(
    settings: Settings,
    workloads: int,
    *,
    pids: tuple[int, int],
    ready_s: float,
    warm_s: int,
    seconds: int,
) -> Run:
    watch = Watch(settings, workloads=workloads)
    publisher = Publisher(settings, workloads)
    tasks = [asyncio.create_task(watch.run()), asyncio.create_task(publisher.run())]
    try:
        await _pass(warm_s, tasks, f"{workloads:,} workloads: warming up", watch)
        watch.seen.counting = True
        before, began = _cpu(pids), time.monotonic()
        sent = publisher.sent
        publisher.late_s = 0.0
        await _pass(seconds, tasks, f"{workloads:,} workloads: measuring", watch)
        took = time.monotonic() - began
        after = _cpu(pids)
        sent = publisher.sent - sent
        watch.seen.counting = False
        rss_bytes = usage(pids[0]).rss_bytes
        await _pass(3, tasks, "", watch)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    shares = [(late - early) / took for early, late in zip(before, after, strict=True)]
    return Run(
        workloads=workloads,
        seconds=took,
        sent=sent,
        sent_late_s=publisher.late_s,
        seen=watch.seen,
        ready_s=ready_s,
        rss_bytes=rss_bytes,
        worker_cpu=shares[0],
        kafka_cpu=shares[1],
        bench_cpu=shares[2],
        machine_cpu=shares[3],
    )


def _cpu(pids: tuple[int, int]) -> tuple[float, ...]:
    return *(usage(pid).cpu_s for pid in pids), time.process_time(), machine_cpu_s()


async def _pass(seconds: int, tasks: list[asyncio.Task[None]], text: str, watch: Watch) -> None:
    """Let time pass while the tasks go on; a task that ends has failed."""
    if text:
        say(f"{text} for {seconds} s ({watch.seen.decided:,} decisions so far)")
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


class Publisher:
    """Sends an event a second of every workload."""

    def __init__(self, settings: Settings, workloads: int) -> None:
        """Everything but the time of an event is made ahead."""
        self.sent = 0
        self.late_s = 0.0
        """The most that a message was sent after its time."""
        self._topic = f"{settings.topic_prefix}telemetry"
        self._partitions = settings.partitions
        self._producer = _producer(settings)
        self._workloads = workloads
        self._demand = Demand(workloads)
        self._events = Events(workloads)

    async def run(self) -> None:
        """Send until cancelled."""
        starts = range(0, self._workloads, PER_MESSAGE)
        second = time.time()
        while True:
            demand = self._demand.second().tolist()
            for number, first in enumerate(starts):
                due = second + number / len(starts)
                wait_s = due - time.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                now = time.time()
                self.late_s = max(self.late_s, now - due)
                value = self._events.message(demand, first, now)
                self._producer.produce(self._topic, value, partition=number % self._partitions)
                self._producer.poll(0)
                self.sent += min(PER_MESSAGE, self._workloads - first)
            second += 1.0
