"""One run: two workers decide, one of them goes, and the other takes over.

Rule: whatever happens, no process that was started here is left.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from lab.servers import KafkaServer
from lab.servers.process import Process
from streams import codec, topics
from streams.recorder import Recorder
from streams.replay import Replayed, replay
from streams.settings import Settings

from .world import World, names, spec

ROOT = Path(__file__).resolve().parents[2]
READY_S = 120.0
SETTLE_S = 60.0
"""How long decisions may take to resume before the run is a failure."""
REST_S = 5.0
"""Between one disturbance and the next, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to do; seconds are the product's settings."""

    workloads: int
    kills: int
    pauses: int
    session_timeout_s: float
    snapshot_interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it.

    ``resumed_s`` are, for each kill, the seconds from it until the last workload had a decision
    of the new owner, ``resumed_p50_s`` until half of them had.  ``owners`` have opened a
    partition, ``void`` are decisions of owners that had been overtaken.
    """

    workloads: int
    kills: int
    pauses: int
    resumed_s: tuple[float | None, ...]
    resumed_p50_s: tuple[float | None, ...]
    resumed_max_s: float | None
    recovery_log: tuple[str, ...]
    steps: int
    decisions: int
    recorded: int
    owners: int
    void: int
    identical: bool
    first_difference: str | None
    wall_s: float

    @property
    def ok(self) -> bool:
        """Whether decisions resumed, and are those of an uninterrupted run."""
        return self.identical and self.recorded > 0 and None not in self.resumed_s


def say(text: str) -> None:
    """A line for whoever watches."""
    print(text, file=sys.stderr, flush=True)


async def run(options: Options) -> Report:
    """Run, and compare."""
    folder = Path(tempfile.mkdtemp(prefix="foretide-recovery-"))
    keep = True
    try:
        say("starting Kafka")
        with KafkaServer() as kafka:
            report = await _Run(kafka, folder, options).run()
        keep = not report.ok
        return report
    finally:
        if keep:
            say(f"logs and recording are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


class _Run:
    def __init__(self, kafka: KafkaServer, folder: Path, options: Options) -> None:
        self._began = time.monotonic()
        self._folder = folder
        self._options = options
        self._settings = Settings(bootstrap=kafka.bootstrap, web_host="127.0.0.1", web_port=0)
        self._workers: list[Process] = []
        self._started = 0
        self._names = names(options.workloads)
        self._world = World(self._settings, self._names)

    async def run(self) -> Report:
        await topics.create(self._settings)
        await self._publish_specs()
        recording = self._folder / "recording"
        recorder = Recorder(self._settings, recording)
        await recorder.start()
        stop = asyncio.Event()
        living = asyncio.create_task(self._world.run(stop))
        resumed: list[list[float | None]] = []
        try:
            for worker in [self._start(), self._start()]:
                await self._ready(worker)
            await self._decided_by(self._generation() + 1 if self._world.decided else 0, 0.0)
            say("every workload has been decided; waiting for a round of snapshots")
            await asyncio.sleep(2.2 * self._options.snapshot_interval_s)
            for number in range(max(self._options.kills, self._options.pauses)):
                if number < self._options.pauses:
                    await self._pause()
                if number < self._options.kills:
                    resumed.append(await self._kill())
            stop.set()
            await living
            await asyncio.sleep(2.0)
            logs = self._recovery_lines()
            for worker in self._workers:
                await asyncio.to_thread(worker.stop, limit_s=20.0)
            say("reading what was recorded")
            if not await recorder.catch_up(timeout_s=120.0):
                say("the recording did not reach the end of the logs")
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
            await recorder.stop()
            for worker in self._workers:
                worker.kill()
        say("replaying, uninterrupted")
        settings = self._settings
        found = await asyncio.to_thread(
            replay, recording, lateness_s=settings.lateness_s, valid_s=settings.decision_valid_s
        )
        return self._report(resumed, found, logs)

    async def _publish_specs(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._settings.bootstrap, acks="all")
        await producer.start()
        try:
            topic = f"{self._settings.topic_prefix}workloads"
            await asyncio.gather(
                *[
                    await producer.send(topic, codec.encode(spec(name)), key=name.encode())
                    for name in self._names
                ]
            )
        finally:
            await producer.stop()

    def _start(self) -> Process:
        self._started += 1
        environment = {
            "FORETIDE_BOOTSTRAP": self._settings.bootstrap,
            "FORETIDE_ROLES": "aggregate,plan",
            "FORETIDE_WEB_HOST": "127.0.0.1",
            "FORETIDE_WEB_PORT": "0",
            "FORETIDE_SESSION_TIMEOUT_S": str(self._options.session_timeout_s),
            "FORETIDE_SNAPSHOT_INTERVAL_S": str(self._options.snapshot_interval_s),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-c", "from streams.cli import main; main()", "worker"]
        worker = Process(f"worker-{self._started}", command, self._folder, environment)
        worker.start()
        self._workers.append(worker)
        return worker

    async def _ready(self, worker: Process) -> None:
        await asyncio.to_thread(
            worker.wait_until, lambda: "ready: roles" in worker.log(), limit_s=READY_S
        )
        say(f"{worker.name} is ready")

    def _generation(self) -> int:
        return max((seen.generation for seen in self._world.decided), default=0)

    async def _decided_by(self, generation: int, since: float) -> list[float | None]:
        """Seconds from ``since`` (Unix) to each workload's first decision of that generation on."""
        deadline = time.monotonic() + SETTLE_S
        first: dict[str, float] = {}
        read = 0
        while len(first) < len(self._names) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            decided = self._world.decided
            for seen in decided[read:]:
                if seen.generation >= generation and seen.at > since:
                    first.setdefault(seen.workload, seen.at - since)
            read = len(decided)
        return [first.get(name) for name in self._names]

    async def _kill(self) -> list[float | None]:
        worker = self._workers.pop(0)
        generation, at = self._generation() + 1, time.time()
        worker.kill()
        say(f"kill -9 of {worker.name}")
        found = await self._decided_by(generation, at)
        missing = found.count(None)
        say(f"resumed after {max([f for f in found if f is not None], default=math.nan):.2f} s")
        if missing:
            say(f"{missing} workloads have not resumed within {SETTLE_S:g} s")
        await self._replace()
        return found

    async def _pause(self) -> None:
        """A zombie: stopped for longer than its session, while the other takes over."""
        worker = self._workers[0]
        generation, at = self._generation() + 1, time.time()
        worker.signal(signal.SIGSTOP)
        say(f"{worker.name} is stopped")
        await self._decided_by(generation, at)
        await asyncio.sleep(REST_S)
        worker.signal(signal.SIGCONT)
        say(f"{worker.name} goes on")
        await asyncio.sleep(REST_S)

    async def _replace(self) -> None:
        await self._ready(self._start())
        await asyncio.sleep(REST_S)

    def _recovery_lines(self) -> tuple[str, ...]:
        lines = []
        for log in sorted(self._folder.glob("worker-*.log")):
            lines += [
                line.partition("streams.recovery")[2] or line
                for line in log.read_text(errors="replace").splitlines()
                if "taken up" in line or "discarded" in line or "lost" in line
            ]
        return tuple(lines[:40])

    def _report(
        self, resumed: list[list[float | None]], found: Replayed, logs: tuple[str, ...]
    ) -> Report:
        whole = [
            None if None in each else max(value for value in each if value is not None)
            for each in resumed
        ]
        known = [value for value in whole if value is not None]
        return Report(
            workloads=self._options.workloads,
            kills=self._options.kills,
            pauses=self._options.pauses,
            resumed_s=tuple(whole),
            resumed_p50_s=tuple(_median(each) for each in resumed),
            resumed_max_s=max(known, default=None),
            recovery_log=logs,
            steps=found.steps,
            decisions=found.decisions,
            recorded=found.recorded,
            owners=found.owners,
            void=found.void,
            identical=found.first_difference is None,
            first_difference=found.first_difference,
            wall_s=round(time.monotonic() - self._began, 1),
        )


def _median(values: list[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None
