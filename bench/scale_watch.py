"""What the scale bench sees: decisions as they are appended, and the CPU that each process takes.

Rule: looks from outside, at the topics and at /proc; a decision counts as caused by telemetry when
the step that made it was given that telemetry, which the step log tells.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer
from msgspec import Struct

from streams.settings import Settings

LOADS_S = 30
"""Seconds of loads that are remembered, to find a decision's cause in."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Cause(Struct):
    """Parts of a decision."""

    at: float
    source: int
    offset: int


class _Inputs(Struct):
    cause: _Cause | None = None


class _Decision(Struct):
    workload: str
    at: float
    inputs: _Inputs


class _Step(Struct):
    """Parts of a step: its time, and the load log's offsets, first and last."""

    now: float
    offsets: tuple[int, int] | None = None


class _Load(Struct, tag_field="kind", tag="load"):
    """Parts of a load."""

    workload: str
    source: int
    reach: int


class _Progress(Struct, tag_field="kind", tag="progress"):
    """A progress record, none of which is needed."""


_decision = msgspec.json.Decoder(_Decision).decode
_step = msgspec.json.Decoder(_Step).decode
_loads = msgspec.json.Decoder(_Load | _Progress | list[_Load | _Progress]).decode


@dataclass(slots=True)
class Seen:
    """Decisions that were appended while it was ``counting``.

    ``caused`` are seconds from the event to the decision it led to; ``timed`` the same of
    decisions that time led to (a step of the forecast was over, a window of stabilisation ended):
    there it is the age of the newest event, up to a second even in a machine without delay.
    """

    counting: bool = False
    caused: list[float] = field(default_factory=list)
    timed: list[float] = field(default_factory=list)
    decided: int = 0
    """All decisions, since the start."""


class Watch:
    """Follows foretide.decisions, with the loads and steps that explain them."""

    def __init__(self, settings: Settings, *, workloads: int) -> None:
        """Nothing is read before ``run``."""
        self._kept = LOADS_S * workloads
        self.seen = Seen()
        self._settings = settings
        self._placed: dict[tuple[str, int, int], int] = {}
        """(workload, source, offset of an event) -> offset in the load log."""
        self._order: deque[tuple[str, int, int]] = deque()
        self._steps: dict[tuple[int, float], tuple[int, int] | None] = {}
        self._waiting: list[tuple[int, float, _Decision]] = []
        """(partition, when it was appended, decision) whose step was not read yet."""

    async def run(self) -> None:
        """Follow until cancelled."""
        prefix = self._settings.topic_prefix
        consumer = AIOKafkaConsumer(
            *[f"{prefix}{topic}" for topic in ("load", "steps", "decisions")],
            bootstrap_servers=self._settings.bootstrap,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            while True:
                for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                    for record in records:
                        self._take(tp.topic.removeprefix(prefix), tp.partition, record)
                self._settle()
        finally:
            await consumer.stop()

    def _take(self, topic: str, partition: int, record: object) -> None:
        value: bytes = record.value  # type: ignore[attr-defined]
        if topic == "decisions":
            self.seen.decided += 1
            if self.seen.counting:
                appended_at = record.timestamp / 1000  # type: ignore[attr-defined]
                self._waiting.append((partition, appended_at, _decision(value)))
        elif topic == "steps":
            step = _step(value)
            self._steps[partition, step.now] = step.offsets
        else:
            found = _loads(value)
            for load in found if isinstance(found, list) else (found,):
                if isinstance(load, _Load):
                    self._place(load, record.offset)  # type: ignore[attr-defined]

    def _place(self, load: _Load, offset: int) -> None:
        key = load.workload, load.source, load.reach
        if key not in self._placed:
            self._placed[key] = offset
            self._order.append(key)
            if len(self._order) > self._kept:
                del self._placed[self._order.popleft()]

    def _settle(self) -> None:
        """Tell apart what was caused by telemetry and what by time, as far as steps were read."""
        waiting, self._waiting = self._waiting, []
        for partition, appended_at, decision in waiting:
            place = partition, decision.at
            cause = decision.inputs.cause
            if place not in self._steps:
                self._waiting.append((partition, appended_at, decision))
            elif cause is not None:
                given = self._steps[place]
                came = self._placed.get((decision.workload, cause.source, cause.offset))
                caused = given is not None and came is not None and given[0] <= came <= given[1]
                lags = self.seen.caused if caused else self.seen.timed
                lags.append(appended_at - cause.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds since a process started, and bytes of memory that it has."""

    cpu_s: float
    rss_bytes: int


def usage(pid: int) -> Usage:
    """Of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def machine_cpu_s() -> float:
    """CPU seconds of all that ever ran on this machine."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    idle = 3, 4
    return sum(int(each) for at, each in enumerate(fields) if at not in idle) / _TICKS_PER_S
