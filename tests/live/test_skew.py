"""Skew on a real Kafka: slow, stopped and silent sources, and clocks that are wrong.

None of them holds up the others or has a second closed early; what is not known is missing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from lab.servers import KafkaServer
from models.domain.load import Progress
from models.domain.spec import AgentScaler
from models.domain.telemetry import ReplicaReport
from models.merge import Merge
from streams import codec
from streams.kafka.partitioner import partition_of
from streams.settings import Settings
from streams.specs_table import encode_spec
from tests.live import ledger, stack

AHEAD, BEHIND = "default/ahead", "default/behind"
WRONG_S = 600.0
HISTORY_S = 25
PER_REPLICA = 3
TICK_S = 0.05


def partitions_of(worker: stack.WorkerProcess) -> list[int]:
    """The telemetry partitions that a worker owns, by its metrics."""
    samples = worker.metric("foretide_lag_records")
    return sorted(int(labels.split('partition="')[1].split('"')[0]) for labels in samples)


def named_for(partition: int) -> str:
    """A workload whose own key, and so what the platform reports of it, is in a partition."""
    names = (f"default/even{number}" for number in range(1000))
    return next(name for name in names if partition_of(name, 4) == partition)


async def publish(settings: Settings, workload: str) -> None:
    """30 requests/s are worth 10 replicas; nothing is stabilised, so that a mistake shows."""
    namespace, name = workload.split("/")
    spec = AgentScaler.model_validate(
        {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "target": {"name": name},
                "replicas": {"min": 1, "max": 60},
                "demand": {"unit": "requests", "perReplica": PER_REPLICA},
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            },
        }
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap)
    await producer.start()
    try:
        topic = settings.topic_prefix + "workloads"
        await producer.send_and_wait(topic, encode_spec(spec), key=workload.encode())
    finally:
        await producer.stop()


class Services:
    """Requests a second by partition; changed while they run."""

    def __init__(self, traffic: ledger.Traffic, workload: str, wrong: int) -> None:
        self._traffic = traffic
        self._workload = workload
        self._wrong = wrong
        self.rates: Mapping[int, float] = {}
        self.stop = asyncio.Event()

    async def history(self, partitions: Sequence[int], rate: int) -> None:
        """The past of a steady service, so that there is a forecast from the first second on."""
        now = time.time()
        for back in range(HISTORY_S, 0, -1):
            for number in range(rate):
                partition = partitions[number % len(partitions)]
                await self._traffic.request(self._workload, partition, now - back)

    async def run(self) -> None:
        due: dict[int, float] = {}
        last, told = time.monotonic(), 0.0
        while not self.stop.is_set():
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for partition, rate in self.rates.items():
                due[partition] = due.get(partition, 0.0) + rate * (now - last)
                while due[partition] >= 1:
                    due[partition] -= 1
                    await self._traffic.request(self._workload, partition, time.time())
            last = now
            if now - told >= 0.2:  # Two more services, whose clocks are wrong.
                told = now
                wall = time.time()
                await self._traffic.request(BEHIND, self._wrong, wall - WRONG_S)
                await self._traffic.request(AHEAD, self._wrong, wall + WRONG_S)


@pytest.mark.timeout(200)
async def test_skew_neither_stalls_the_others_nor_closes_a_second_early(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap, session_timeout_s=15.0, lateness_s=2.0)
    await stack.make_topics(settings)
    first, second, planner = (
        stack.WorkerProcess(
            settings, folder=tmp_path / roles, plane=None, specs=None, roles=roles.strip("2")
        )
        for roles in ("aggregate", "aggregate2", "plan,actuate")
    )
    workers = [first, second, planner]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            await stack.until(worker.ready)
        await stack.until(
            lambda: len(partitions_of(first)) == len(partitions_of(second)) == 2,
            what="two partitions for each",
        )
        kept, silent = partitions_of(first)
        stalling, slow = partitions_of(second)
        workload = named_for(kept)
        await publish(settings, workload)
        await stack.until(
            lambda: (
                len(missing := planner.metric("foretide_missing_seconds")) == 4
                and max(missing.values()) < 5
            ),
            what="every source heard of",
        )
        async with ledger.traffic(settings) as traffic:
            services = Services(traffic, workload, kept)
            await services.history([kept, stalling, slow], 30)
            running = asyncio.create_task(services.run())
            services.rates = {kept: 20, stalling: 20, slow: 20}
            await asyncio.sleep(3)

            stopped_at = time.time()
            second.pause()  # For less than its session: nobody takes over.
            await asyncio.sleep(6)
            seen_missing = planner.metric("foretide_missing_seconds")
            second.resume()
            for _ in range(4):  # And then it is slow.
                await asyncio.sleep(0.25)
                second.pause()
                await asyncio.sleep(0.75)
                second.resume()
            await asyncio.sleep(3)
            even_until = time.time()

            services.rates = {kept: 20}  # The others are silent: known, and therefore zero.
            decided = await scaled_in(settings, workload, after=even_until)
            services.stop.set()
            await running
        await account(settings, traffic, workload)
        await watermarks(settings, stopped_at, {kept, silent})
        await no_scale_in(settings, workload, stopped_at, even_until)
        assert min(seen_missing.values()) > 4.0  # All workloads wait for the source that stands.
        before, after = decided
        assert after < before
    finally:
        for worker in workers:
            worker.stop()


async def scaled_in(settings: Settings, workload: str, *, after: float) -> tuple[int, int]:
    for _ in range(200):
        for decision in await stack.records(settings, "decisions"):
            if decision.workload != workload or decision.at < after:
                continue
            before = sum(decision.from_.replicas.values())
            if (to := sum(decision.to.replicas.values())) < before:
                return before, to
        await asyncio.sleep(0.2)
    raise AssertionError("complete seconds of a third of the load led to no scale-in")


async def no_scale_in(settings: Settings, workload: str, since: float, until: float) -> None:
    """No scale-in below what the log says was asked for, whatever was known of it by then."""
    requests = Counter[int]()
    for row in await ledger.rows(settings, "telemetry"):
        for event in codec.telemetry(row.value, row.at).events:
            if event.workload == workload and not isinstance(event, ReplicaReport):
                requests[int(event.at)] += 1
    # A busy machine sends unevenly: the least that any three seconds asked for.
    least = min(
        sum(requests[second - back] for back in range(3)) / 3
        for second in range(int(since), int(until))
    )
    assert least > 1.5 * 20  # More than what the worker that went on could see.
    for decision in await stack.records(settings, "decisions"):
        if decision.workload == workload and since <= decision.at <= until:
            before = sum(decision.from_.replicas.values())
            after = sum(decision.to.replicas.values())
            assert after >= before or after * PER_REPLICA >= 0.9 * least, decision


async def account(settings: Settings, traffic: ledger.Traffic, workload: str) -> None:
    """Totals, rejections, and corrections: by the log, of events that came too late alone."""
    reports = Counter[str]()
    overdue = Counter[tuple[str, int]]()
    for row in await ledger.rows(settings, "telemetry"):
        for event in codec.telemetry(row.value, row.at).events:
            reports[event.workload] += isinstance(event, ReplicaReport)
            second = int(event.at)
            overdue[event.workload, second] += row.at >= second + 1 + settings.lateness_s
    expected = traffic.sent + reports
    refused = expected.pop(AHEAD)
    assert await ledger.counted(settings, expected, limit_s=30) == expected

    rejected = await stack.records(settings, "rejected")
    assert len({(r.partition, r.offset) for r in rejected}) == refused > 0
    assert {r.field for r in rejected} == {"$.at"}
    assert all("ahead of the log's append time, 60 s allowed" in r.reason for r in rejected)

    corrections = corrected(await ledger.rows(settings, "load"), settings.lateness_s)
    # Every event of the clock that is behind came late, and of the others none that was in time.
    assert sum(n for (name, _), n in corrections.items() if name == BEHIND) == traffic.sent[BEHIND]
    early = {key: n for key, n in corrections.items() if n > overdue[key]}
    assert not early, f"closed before all that was in time had been counted: {early}"
    assert any(name == workload for name, _ in corrections)  # Its history came late.


def corrected(loads: list[ledger.Row], lateness_s: float) -> Counter[tuple[str, int]]:
    """Events by workload and second that came after the second was closed."""
    merges: dict[int, Merge] = {}
    found = Counter[tuple[str, int]]()
    for row in loads:
        merge = merges.setdefault(row.partition, Merge(lateness_s=lateness_s))
        for record in codec.load_records(row.value):
            if isinstance(record, Progress):
                merge.progress(record)
                continue
            before = merge.window(record.workload).corrections
            merge.add(record)
            found[record.workload, record.second] += (
                merge.window(record.workload).corrections - before
            )
    return +found


async def watermarks(settings: Settings, stopped_at: float, others: set[int]) -> None:
    """While one worker stood still: its sources' watermarks did, and the others' did not."""
    merge = Merge(lateness_s=settings.lateness_s)
    oldest: dict[int, float] = dict.fromkeys(range(4), 0.0)
    closed: set[int] = set()
    for row in await ledger.rows(settings, "load"):
        if row.partition != 0 or row.at > stopped_at + 5.5:
            continue
        for record in codec.load_records(row.value):
            if isinstance(record, Progress):
                merge.progress(record)
        if row.at < stopped_at + 2:
            continue
        assert merge.closed_through is not None
        closed.add(merge.closed_through)
        for source, watermark in merge.watermarks().items():
            oldest[source] = max(oldest[source], row.at - watermark)
    # No second was closed without the source that stood still.
    assert len(closed) == 1
    assert max(closed) < stopped_at
    assert {source for source, age_s in oldest.items() if age_s < 3.0} == others, oldest
