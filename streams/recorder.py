"""The recorder: decisions, outcomes, forecasts and a self-contained step log, as JSON lines.

Rule: lines are the very bytes of the topics; a step is written with the loads it names.  Where
nothing comes, nothing is made: folder and files begin with the first line.
Flow: topics -> Recorder -> a folder that ``replay`` and ``explain`` read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from models.domain.load import Load, Progress
from streams import codec, steplog
from streams.kafka.ranges import Found, Ranges
from streams.kafka.security import client_options
from streams.loadlog import decoded, past
from streams.settings import Settings
from streams.steplog import META

FILES = {
    "forecasts": "forecasts.jsonl",
    "decisions": "decisions.jsonl",
    "outcomes": "outcomes.jsonl",
    "rejected": "rejected.jsonl",
}
STEPS = "steps.jsonl"

Listener = Callable[[str, bytes], None]


@contextlib.contextmanager
def _named(file: IO[bytes]) -> Iterator[None]:
    """A failed write does not say of which file it is, as a failed open does."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or file.name
        raise


class Recorder:
    """Records a cluster's topics, from the beginning of the logs on, into ``folder``.

    ``listener`` is called with (topic, line) of each line of ``FILES``; ``about`` is what
    ``meta.json`` says beside the settings that a replay needs.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        listener: Listener | None = None,
        about: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.counts: dict[str, int] = dict.fromkeys([*FILES, "steps"], 0)
        self._settings = settings
        self._listener = listener
        self._about = about
        self._ranges = Ranges(settings)
        self._loads: dict[int, deque[Found]] = {}
        self._written: dict[int, int] = {}
        """By partition, the offset of the load log up to which loads are with their steps."""
        self._steps: dict[int, deque[steplog.StepRecord]] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin at the beginning of the topics' logs."""
        prefix = self._settings.topic_prefix
        consumer = AIOKafkaConsumer(
            *[prefix + topic for topic in (*FILES, "steps", "load")],
            **client_options(self._settings),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._settings.fetch_max_wait_ms,
        )
        self._consumer = consumer  # From here on stop() closes it, whatever fails.
        await consumer.start()
        await self._ranges.start()
        self._task = asyncio.create_task(self._follow(), name="recorder")

    async def follow(self, timeout_s: float) -> None:
        """Go on for so long.  Raises ``OSError`` when the folder cannot be written to."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_s)
        self._raise()

    async def catch_up(self, timeout_s: float) -> bool:
        """Read to the present end of all topics; False if that takes longer than ``timeout_s``.

        Raises ``OSError`` when the folder cannot be written to.
        """
        if self._consumer is None:
            return False
        partitions = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(partitions)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            behind = [tp for tp in partitions if await self._position(tp) < ends[tp]]
            self._raise()
            if not behind:
                return True
            await asyncio.sleep(0.05)
        return False

    async def stop(self) -> None:
        """Close the files; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Whoever waited was told.
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()
        await self._ranges.stop()
        for file in self._files.values():
            with _named(file):
                file.close()
        self._files.clear()

    def _raise(self) -> None:
        """What ended the reading, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _position(self, tp: TopicPartition) -> int:
        if self._consumer is None:
            return 0
        position: int = await self._consumer.position(tp)
        return position

    async def _follow(self) -> None:
        prefix = len(self._settings.topic_prefix)
        while self._consumer is not None:
            fetched = await self._consumer.getmany(timeout_ms=200)
            for tp, records in fetched.items():
                await self._take(tp.topic[prefix:], tp.partition, records)

    async def _take(self, topic: str, partition: int, records: list[Any]) -> None:
        if topic == "load":
            loads = self._loads.setdefault(partition, deque())
            loads.extend(Found(record.offset, None, record.value) for record in records)
        elif topic == "steps":
            steps = self._steps.setdefault(partition, deque())
            for record in records:
                step = steplog.decode(record.value)
                steps.append(msgspec.structs.replace(step, at=record.offset))
        else:
            for record in records:
                self._write(topic, record.value)
            return
        await self._join(partition)

    async def _join(self, partition: int) -> None:
        """Write the steps whose loads have been read."""
        steps = self._steps.setdefault(partition, deque())
        loads = self._loads.setdefault(partition, deque())
        while steps:
            step = steps[0]
            found: tuple[Load | Progress, ...] = ()
            if step.offsets is not None:
                first, last = step.offsets
                if last >= self._written.get(partition, 0) and (
                    not loads or loads[-1].offset < last
                ):
                    return
                if step.relearn:
                    found = await past(self._ranges, partition, step.offsets, step.relearn)
                elif first < self._written.get(partition, 0):
                    found = await self._again(partition, first, last)
                else:
                    while loads and loads[0].offset < first:
                        loads.popleft()
                    found = decoded(self._until(loads, last))
                    self._written[partition] = last + 1
            steps.popleft()
            self._write("steps", codec.encode(msgspec.structs.replace(step, records=found)))

    @staticmethod
    def _until(loads: deque[Found], last: int) -> list[Found]:
        taken = []
        while loads and loads[0].offset <= last:
            taken.append(loads.popleft())
        return taken

    async def _again(self, partition: int, first: int, last: int) -> tuple[Load | Progress, ...]:
        """Loads that were written with another step already: owners overlapped, or read again."""
        return tuple(
            [
                record
                async for some in self._ranges.read("load", partition, first, last + 1)
                for record in decoded(some)
            ]
        )

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self._settings
        meta = {"lateness_s": settings.lateness_s, "valid_s": settings.decision_valid_s}
        (self.folder / META).write_text(json.dumps({**meta, **self._about}, indent=2) + "\n")
        for topic, name in {**FILES, "steps": STEPS}.items():
            self._files[topic] = (self.folder / name).open("wb")

    def _write(self, topic: str, line: bytes) -> None:
        if not self._files:
            self._open()
        self.counts[topic] += 1
        with _named(self._files[topic]):
            self._files[topic].write(line + b"\n")
        if self._listener is not None and topic in FILES:
            self._listener(topic, line)
