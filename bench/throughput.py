"""Events a second of ``aggregate`` on a real Kafka, beside a bare aiokafka loop on the same topic.

Rule: each run is a process of its own that reads the whole topic; the clock runs from its first
record to its last, and for Foretide until every partial is acknowledged by the broker.  Runs
alternate, medians count, and the totals in the loads must equal the events that were sent.
Usage: python bench/throughput.py [--events 2000000] [--runs 5] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer

from lab.servers import KafkaServer, ToolsMissingError
from models.domain.load import Load
from models.merge import Merge
from streams import codec, topics
from streams.app import build
from streams.kafka.reader import read
from streams.roles.aggregate import Aggregate
from streams.settings import Settings

WORKLOADS = 200
PARTITIONS = 4
PER_MESSAGE = 100
LIMIT_S = 600.0


def main() -> None:
    """Run the bench, or one contender of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="events in the topic")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        job = json.loads(given.contender)
        print(json.dumps(asyncio.run(CONTENDERS[job["name"]](job))))
        return
    try:
        found = _compare(given.events, given.runs)
    except ToolsMissingError as error:
        sys.exit(str(error))
    if given.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:32} {value}")
    sys.exit(0 if found["counted"] == found["events"] else 1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _compare(events: int, runs: int) -> dict[str, Any]:
    with KafkaServer() as kafka:
        single = Settings(bootstrap=kafka.bootstrap, topic_prefix="one.", partitions=PARTITIONS)
        batched = Settings(bootstrap=kafka.bootstrap, topic_prefix="many.", partitions=PARTITIONS)
        for settings, size in ((single, 1), (batched, PER_MESSAGE)):
            asyncio.run(topics.create(settings))
            _say(f"filling {settings.topic_prefix}telemetry with {events} events, {size} a message")
            _fill(settings, events, size)
        results: dict[str, list[dict[str, float]]] = {"foretide": [], "bare": [], "batched": []}
        for number in range(runs):
            for name, settings in (("foretide", single), ("bare", single), ("batched", batched)):
                found = _run("bare" if name == "bare" else "foretide", settings, events)
                results[name].append(found)
                _say(f"run {number + 1} of {runs}: {name} {found['events_per_s']:,.0f} events/s")
        counted = asyncio.run(_counted(single))
        _say(f"counted in the loads: {counted} of {events}")
    rate = {n: statistics.median(r["events_per_s"] for r in rows) for n, rows in results.items()}
    cpu = {n: statistics.median(r["cpu_s"] for r in rows) for n, rows in results.items()}
    return {
        "events": events,
        "runs": runs,
        "counted": counted,
        "foretide_events_per_s": round(rate["foretide"]),
        "bare_events_per_s": round(rate["bare"]),
        "ratio": round(rate["foretide"] / rate["bare"], 3),
        "foretide_cpu_s": round(cpu["foretide"], 3),
        "bare_cpu_s": round(cpu["bare"], 3),
        "batched_events_per_s": round(events / cpu["batched"]),
        "batched_events_per_s_wall": round(rate["batched"]),
        "versions": {name: version(name) for name in ("foretide", "aiokafka", "orjson")},
        "single_runs": {n: [round(r["events_per_s"]) for r in rows] for n, rows in results.items()},
    }


def _fill(settings: Settings, events: int, size: int) -> None:
    """Requests of ``WORKLOADS`` workloads, now; the same from run to run but for their times."""
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    options = {
        "bootstrap.servers": settings.bootstrap,
        "acks": "all",
        "linger.ms": 20,
        "queue.buffering.max.messages": 400_000,
    }
    producer = Producer(options)
    failed: list[Any] = []

    def told(error: Any, _: Any) -> None:  # noqa: ANN401 - librdkafka's error
        if error is not None:
            failed.append(error)

    topic = f"{settings.topic_prefix}telemetry"
    held: list[bytes] = []
    for number in range(events):
        held.append(
            b'{"v":1,"kind":"request","workload":"prod/agent-%04d","at":%.3f,"latency_s":%.4f,'
            b'"tokens_in":%d,"tokens_out":%d,"status":"ok"}'
            % (
                chance.randrange(WORKLOADS),
                time.time(),
                chance.lognormvariate(-0.5, 0.6),
                chance.randrange(50, 3000),
                chance.randrange(10, 900),
            )
        )
        if len(held) < size and number + 1 < events:
            continue
        value = held[0] if size == 1 else b"[" + b",".join(held) + b"]"
        place = number // size % PARTITIONS
        while True:
            try:
                producer.produce(topic, value, partition=place, on_delivery=told)
                break
            except BufferError:
                producer.poll(0.1)
        held = []
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(120)
    if failed:
        sys.exit(f"the topic could not be filled: {failed[0]}")


def _run(name: str, settings: Settings, events: int) -> dict[str, float]:
    job = {
        "name": name,
        "bootstrap": settings.bootstrap,
        "prefix": settings.topic_prefix,
        "events": events,
    }
    command = [sys.executable, __file__, "--contender", json.dumps(job)]
    done = subprocess.run(  # noqa: S603 - this very file
        command, stdout=subprocess.PIPE, timeout=LIMIT_S, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measured(events: int, began: float, cpu: float) -> dict[str, float]:
    return {"events_per_s": events / (time.perf_counter() - began), "cpu_s": _cpu_s() - cpu}


async def _foretide(job: dict[str, Any]) -> dict[str, float]:
    """The product's own role, as a worker plays it."""
    settings = Settings(
        bootstrap=job["bootstrap"],
        topic_prefix=job["prefix"],
        group_prefix=f"{uuid.uuid4().hex[:8]}-",
        roles=("aggregate",),
        web_port=0,
        web_host="127.0.0.1",
    )
    worker = build(settings)
    (role,) = worker.roles
    assert isinstance(role, Aggregate)  # noqa: S101 - the only role asked for
    await worker.start()
    try:
        await worker.ready()
        before = 0
        began, cpu = time.perf_counter(), _cpu_s()
        while role.folded < job["events"] or not role.durable():
            await asyncio.sleep(0.005)
            if not before:
                # The clock runs from the first batch on, which then does not count.
                before, began, cpu = role.folded, time.perf_counter(), _cpu_s()
        return _measured(job["events"] - before, began, cpu)
    finally:
        await worker.stop()


async def _bare(job: dict[str, Any]) -> dict[str, float]:
    """What one would write by hand: no validation, no sketch, nothing produced."""
    consumer = AIOKafkaConsumer(
        f"{job['prefix']}telemetry",
        bootstrap_servers=job["bootstrap"],
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1000,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    totals: dict[tuple[str, int], list[float]] = {}
    try:
        began, cpu, seen = time.perf_counter(), _cpu_s(), 0
        while seen < job["events"]:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=5000)
            if not seen:
                began, cpu = time.perf_counter(), _cpu_s()
            for records in fetched.values():
                for record in records:
                    event = orjson.loads(record.value)
                    key = event["workload"], int(event["at"])
                    sums = totals.get(key)
                    if sums is None:
                        sums = totals[key] = [0, 0.0, 0]
                    sums[0] += 1
                    sums[1] += event["latency_s"]
                    sums[2] += event["tokens_out"]
                seen += len(records)
        return _measured(job["events"], began, cpu)
    finally:
        await consumer.stop()


async def _counted(settings: Settings) -> int:
    """Events in the loads, each run's partials among them: merged as plan does."""
    merge = Merge(lateness_s=2.0)
    async for value in read(settings, "load", from_start=True, follow=False):
        for record in codec.load_records(value):
            if isinstance(record, Load):
                merge.add(record)
    return sum(merge.totals().values())


CONTENDERS: dict[str, Callable[[dict[str, Any]], Any]] = {"foretide": _foretide, "bare": _bare}


if __name__ == "__main__":
    main()
