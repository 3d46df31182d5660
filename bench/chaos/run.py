"""One run: start everything, disturb it, let it come to rest, and compare.

Rule: whatever happens, no process that was started here is left; logs are kept when they tell
something.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lab.servers import KafkaServer
from streams import topics
from streams.settings import Settings

from . import audit
from .disturb import Chaos
from .fleet import Fleet
from .publisher import Place, Publisher
from .schedule import schedule
from .traffic import Traffic
from .truncation import truncation_alarms
from .watch import Watch, offsets

BROKER = {"broker_session_timeout_ms": "3000", "broker_heartbeat_interval_ms": "500"}
"""A broker that was killed is let in again when its session before is over."""
READY_S = 60.0
REST_S = 120.0
SUPERVISE_S = 1.0
TELL_S = 10.0
REJECTED_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it.  ``in_log`` is the events in the telemetry log, the second witness."""

    seed: int
    minutes: float
    sent: int
    in_log: int
    counted: int
    difference: int
    difference_by_workload: dict[str, int]
    caught_up: bool
    rejected_expected: int
    rejected_found: int
    rejected_differ: int
    corrections: int
    kills: int
    joins: int
    leaves: int
    pauses: int
    broker_restarts: int
    broker_stalls: int
    rebalances: int
    """Caused here: kills, joins, leaves, and two for each pause."""
    assignments: int
    """Times a worker was told its partitions, by the logs."""
    duplicated_partials: int
    """Produced again by hand."""
    echoes: int
    """Partials that said nothing new: those, and what was folded twice."""
    worker_exits: int
    """Workers that ended by themselves and were replaced."""
    slow_leaves: int
    """Workers that SIGTERM did not end in time."""
    truncation_alarms: int
    late_events: int
    messages: int
    max_commit_lag: int
    """Offsets, of the partition that was furthest behind at any sample."""
    max_rss_mb: float
    wall_s: float

    @property
    def exact(self) -> bool:
        """Whether everything is as it must be."""
        totals = self.sent == self.in_log == self.counted and not self.difference_by_workload
        return (
            totals and self.caught_up and not self.rejected_differ and self.truncation_alarms == 1
        )


def _chance(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - chance is seeded


def say(text: str) -> None:
    """A line for whoever watches."""
    print(text, file=sys.stderr, flush=True)


async def run(*, seed: int, minutes: float, rate_per_s: float) -> tuple[Report, Path | None]:
    """Run; the folder is where logs were kept, and None when there is nothing to look into."""
    folder = Path(tempfile.mkdtemp(prefix="foretide-chaos-"))
    # What the harness's own clients say of a broker that is away is no news.
    logging.basicConfig(filename=folder / "harness.log", format="%(asctime)s %(message)s")
    keep = True
    try:
        say("starting Kafka")
        with KafkaServer(**BROKER) as kafka:
            try:
                report = await _Run(kafka, folder, seed=seed, minutes=minutes).run(rate_per_s)
            except Exception:
                say(f"the broker's last words:\n{kafka.log()}")
                raise
        keep = not report.exact
        return report, folder if keep else None
    finally:
        if keep:
            say(f"logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


class _Run:
    def __init__(self, kafka: KafkaServer, folder: Path, *, seed: int, minutes: float) -> None:
        self._began = time.monotonic()
        self._kafka = kafka
        self._folder = folder
        self._seed = seed
        self._minutes = minutes
        self._settings = Settings(
            bootstrap=kafka.bootstrap,
            session_timeout_s=3.0,
            fetch_max_wait_ms=100,
            commit_interval_s=0.3,
            web_host="127.0.0.1",
            web_port=0,
        )
        self._fleet = Fleet(self._settings, folder)
        self._watch = Watch(self._settings, self._fleet)

    async def run(self, rate_per_s: float) -> Report:
        settings, fleet = self._settings, self._fleet
        await topics.create(settings)
        traffic = Traffic(_chance(f"{self._seed} traffic"), partitions=settings.partitions)
        publisher = Publisher(settings, traffic, rate_per_s=rate_per_s)
        chance = _chance(f"{self._seed} chaos")
        chaos = Chaos(settings, chance=chance, kafka=self._kafka, fleet=fleet, say=self._say)
        try:
            await self._start_two()
            await self._disturb(publisher, chaos, chance)
            while len(fleet.workers) > 1:
                await fleet.leave(fleet.workers[-1])
            self._say("all at rest, one worker left: counting")
            return await self._compare(publisher, chaos)
        finally:
            fleet.close()

    async def _start_two(self) -> None:
        for worker in [self._fleet.start(), self._fleet.start()]:
            await asyncio.to_thread(worker.process.wait_until, worker.ready, limit_s=READY_S)

    async def _disturb(self, publisher: Publisher, chaos: Chaos, chance: random.Random) -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(publisher.run(stop))
            beside = [
                group.create_task(self._watch.run()),
                group.create_task(self._supervise()),
                group.create_task(self._tell(publisher)),
            ]
            ends_at = time.monotonic() + self._minutes * 60.0
            await chaos.run(schedule(chance, self._minutes))
            await asyncio.sleep(ends_at - time.monotonic())
            stop.set()
            await publishing
            for task in beside:
                task.cancel()

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(SUPERVISE_S)
            for worker in self._fleet.replace_dead():
                self._say(f"{worker.name} ended by itself, is replaced: {worker.last_words()}")

    async def _tell(self, publisher: Publisher) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            self._say(
                f"{publisher.acknowledged.total()} of {publisher.sent} events acknowledged, "
                f"{len(self._fleet.workers)} workers, commits {self._watch.lag} behind"
            )

    async def _compare(self, publisher: Publisher, chaos: Chaos) -> Report:
        settings, fleet = self._settings, self._fleet
        _, ends = await offsets(settings)
        counted = await audit.count(settings, ends, limit_s=REST_S)
        found = await self._rejected(publisher.refused)
        log = await audit.in_log(settings)
        assignments, last = fleet.assignments(), fleet.workers[0]
        self._watch.max_rss_mb = max(self._watch.max_rss_mb, last.rss_mb())
        sent = publisher.acknowledged
        names = sent.keys() | counted.totals.keys()
        by_workload = {
            name: counted.totals[name] - sent[name]
            for name in sorted(names)
            if counted.totals[name] != sent[name]
        }
        if by_workload:
            await self._explain(log)
        for worker in list(fleet.workers):
            await fleet.leave(worker)
        self._say("cutting the log")
        alarms = await truncation_alarms(settings, fleet)
        did = chaos.counts
        return Report(
            seed=self._seed,
            minutes=self._minutes,
            sent=sent.total(),
            in_log=log.total(),
            counted=counted.totals.total(),
            difference=counted.totals.total() - sent.total(),
            difference_by_workload=by_workload,
            caught_up=counted.caught_up,
            rejected_expected=len(publisher.refused),
            rejected_found=len(found),
            rejected_differ=len(found ^ publisher.refused),
            corrections=counted.corrections,
            kills=did["kills"],
            joins=did["joins"],
            leaves=did["leaves"],
            pauses=did["pauses"],
            broker_restarts=did["broker_restarts"],
            broker_stalls=did["broker_stalls"],
            rebalances=did["kills"] + did["joins"] + did["leaves"] + 2 * did["pauses"],
            assignments=assignments,
            duplicated_partials=did["duplicated_partials"],
            echoes=counted.echoes,
            worker_exits=len(fleet.died),
            slow_leaves=len(fleet.slow_to_leave),
            truncation_alarms=alarms,
            late_events=publisher.late,
            messages=publisher.messages,
            max_commit_lag=self._watch.max_lag,
            max_rss_mb=round(self._watch.max_rss_mb, 1),
            wall_s=round(time.monotonic() - self._began, 1),
        )

    async def _rejected(self, expected: set[Place]) -> set[Place]:
        """All rejections; those still on their way are waited for."""
        deadline = time.monotonic() + REJECTED_S
        while (found := await audit.rejected(self._settings)) != expected:
            if time.monotonic() > deadline:
                (self._folder / "rejected.json").write_text(
                    json.dumps(
                        {
                            "missing": sorted(expected - found, key=str),
                            "unexpected": sorted(found - expected, key=str),
                        },
                        indent=1,
                    )
                )
                break
            await asyncio.sleep(0.5)
        return found

    async def _explain(self, log: Counter[audit.Cell]) -> None:
        """Where partials say something else than the log; equal there, the merge is at fault."""
        partials = await audit.in_partials(self._settings)
        differing = [
            {
                "source": cell[0],
                "block": cell[1],
                "workload": cell[2],
                "second": cell[3],
                "log": log[cell],
                "partials": partials[cell],
            }
            for cell in sorted(log.keys() | partials.keys())
            if log[cell] != partials[cell]
        ]
        path = self._folder / "difference.json"
        path.write_text(json.dumps(differing, indent=1))
        self._say(f"partials and log differ in {len(differing)} cells: {path}")

    def _say(self, text: str) -> None:
        say(f"{time.monotonic() - self._began:7.1f} s  {text}")
