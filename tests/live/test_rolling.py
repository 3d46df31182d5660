"""A rolling upgrade and back: two versions in the same groups, under load, nothing lost.

The newer version is this tree with a field added to what workers say to each other.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lab.servers import KafkaServer
from models.domain.telemetry import ReplicaReport
from streams import codec
from streams.settings import Settings
from tests.live import ledger, stack

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "lab", "actuators", "models")
NEW = b'"colour":"teal"'
ADDED = '    colour: str = __import__("msgspec").field(default_factory=lambda: "teal")\n'
"""A factory, so that the field is written though it has its default."""

CHANGES = {
    "models/domain/load.py": {
        "    started_s: tuple[float, ...] = ()\n": ADDED,
        "    progress: tuple[SourceProgress, ...]\n": ADDED,
        # An array: what is added comes last.
        "    watermark: float\n    done: int\n": '    colour: str = "teal"\n',
    },
    "models/domain/decision.py": {"    alternatives: tuple[Alternative, ...]\n": ADDED},
}
"""By file: after which line a field is added."""

WORKLOADS = [f"default/w{number}" for number in range(8)]


def newer_tree(folder: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name, additions in CHANGES.items():
        path = folder / name
        text = path.read_text()
        for line, added in additions.items():
            assert text.count(line) == 1, (name, line)
            text = text.replace(line, line + added)
        path.write_text(text)
    return folder


@asynccontextmanager
async def serving(traffic: ledger.Traffic) -> AsyncIterator[None]:
    """Eight services over all partitions, whose requests grow by one a second each second."""
    stop = asyncio.Event()

    async def run() -> None:
        began = last = time.monotonic()
        due = 0.0
        number = 0
        while not stop.is_set():
            await asyncio.sleep(0.02)
            now = time.monotonic()
            due += (5.0 + now - began) * (now - last)
            last = now
            while due >= 1:
                due -= 1
                for workload in WORKLOADS:
                    await traffic.request(workload, number % 4, time.time(), latency_s=0.1)
                    number += 1

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        stop.set()
        await task


class Rolling:
    """Two places, each held by one worker at a time."""

    def __init__(self, settings: Settings, folder: Path, specs: Path, newer: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._specs = specs
        self._newer = newer
        self._made = 0
        self.held: dict[int, stack.WorkerProcess] = {}

    async def put(self, place: int, *, new: bool) -> stack.WorkerProcess:
        """Replace the worker of a place: the one that leaves is stopped when the other serves."""
        self._made += 1
        worker = stack.WorkerProcess(
            self._settings,
            folder=self._folder / str(self._made),
            plane=None,
            specs=self._specs,
            roles="aggregate,plan,allocate,actuate",
            tree=self._newer if new else None,
        )
        worker.start()
        before = self.held.pop(place, None)
        try:
            await stack.until(worker.ready)
        finally:
            self.held[place] = worker
            if before is not None:
                await asyncio.to_thread(before.stop)
        return worker

    def stop(self) -> None:
        for worker in self.held.values():
            worker.stop()


@pytest.mark.timeout(240)
async def test_old_and_new_side_by_side_there_and_back(kafka: KafkaServer, tmp_path: Path) -> None:
    settings = stack.fresh_settings(kafka.bootstrap)
    await stack.make_topics(settings)
    specs = tmp_path / "specs"
    specs.mkdir()
    for workload in WORKLOADS:
        name = workload.split("/")[1]
        (specs / f"{name}.yaml").write_text(
            stack.scaler(
                name,
                replicas={"min": 1, "max": 1000},
                demand={"unit": "requests", "perReplica": 0.5},
            )
        )
    rolling = Rolling(settings, tmp_path, specs, newer_tree(tmp_path / "newer"))
    try:
        await asyncio.gather(rolling.put(0, new=False), rolling.put(1, new=False))
        async with ledger.traffic(settings) as traffic, serving(traffic):
            await phase(settings, "old", {False})
            await rolling.put(1, new=True)
            await phase(settings, "mixed", {False, True})
            await rolling.put(0, new=True)
            await phase(settings, "new", {True})
            await rolling.put(1, new=False)
            await phase(settings, "mixed again", {False, True})
            await rolling.put(0, new=False)
            await phase(settings, "old again", {False})
        await account(settings, traffic)
    finally:
        rolling.stop()


async def phase(settings: Settings, name: str, versions: set[bool]) -> None:
    """Loads and progress come from these versions and no other, and decisions go on."""
    began = time.time()
    told: set[bool] = set()
    made = 0
    for _ in range(150):
        rows = [row for row in await ledger.rows(settings, "load") if row.at > began]
        told = {NEW in row.value for row in rows}
        decisions = [row for row in await ledger.rows(settings, "decisions") if row.at > began]
        made = len(decisions)
        if made >= 3 and told == versions:
            if len(versions) == 1:
                assert {NEW in row.value for row in decisions} == versions
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name}: {made} decisions, loads of newer workers: {told}")


async def account(settings: Settings, traffic: ledger.Traffic) -> None:
    """Totals are those of the log; nothing was refused by anybody.

    The workers' own replica reports go on arriving, so both are read until they agree.
    """
    for _ in range(30):
        expected, reports = await in_log(settings)
        assert expected.total() - reports == traffic.sent.total()
        found = await ledger.counted(settings, expected, limit_s=30)
        if found == expected:
            break
    assert {name: found[name] - n for name, n in expected.items()} == dict.fromkeys(expected, 0)
    assert await stack.records(settings, "rejected") == []


async def in_log(settings: Settings) -> tuple[Counter[str], int]:
    """Events by workload in the telemetry topic, and how many are replica reports."""
    found = Counter[str]()
    reports = 0
    for row in await ledger.rows(settings, "telemetry"):
        for event in codec.telemetry(row.value, row.at).events:
            found[event.workload] += 1
            reports += isinstance(event, ReplicaReport)
    return found, reports
