"""Two seeks at the same time, as Faust does after a rebalance, count nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from actuators.clock import SystemClock
from models.blocks import BlockFold
from models.domain.load import Load
from models.merge import Merge
from streams import codec
from streams.kafka.batch import FetchedBatch, Run
from streams.kafka.transport import BatchConsumer
from streams.metrics import Metrics
from streams.roles.aggregate import Aggregate
from streams.settings import Settings
from tests.models.folding import fold_one

NOW = 1_700_000_000
EVENTS = 40
PER_BLOCK = 10
TELEMETRY = TP("foretide.telemetry", 0)


class Outbox:
    """Acknowledges at once, and keeps what was sent to the load topic."""

    def __init__(self) -> None:
        self.loads: list[bytes] = []

    async def send(self, topic: str, value: bytes, **_: Any) -> asyncio.Future[None]:
        if topic == "load":
            self.loads.append(value)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Consumer(BatchConsumer):
    """The product's own order of seeking, with a broker that answers when the test says so."""

    def __init__(self, role: Aggregate) -> None:
        self.app = SimpleNamespace(offsets=role, consumer_generation_id=1)
        self._seeking = asyncio.Lock()
        self._read_offset = {}
        self._committed_offset = {}
        self.asked: list[tuple[str, asyncio.Event]] = []
        """Who waits for an answer of the broker, in the order of asking."""
        self.committed: list[int] = []
        """What the broker says is committed, one for each seek."""

    def assignment(self) -> set[TP]:
        return {TELEMETRY}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        await self._answered()
        return {TELEMETRY: self.committed.pop(0)}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        await self._answered()
        return dict.fromkeys(partitions, 0)

    async def _answered(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        answered = asyncio.Event()
        self.asked.append((task.get_name(), answered))
        await answered.wait()

    def answer(self, name: str) -> None:
        """Answer what a seek asked first, if it has asked by now."""
        found = next((asked for asked in self.asked if asked[0] == name), None)
        if found is not None:
            self.asked.remove(found)
            found[1].set()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        del partitions


class Role(Aggregate):
    """aggregate, with that consumer."""

    stand_in: Consumer

    @property
    def consumer(self) -> Any:
        return self.stand_in

    async def give(self, first: int, last: int) -> None:
        """A batch arrives, as ``_consume`` takes it."""
        batch = await self._in_order(batch_of(first, last))
        if batch is not None:
            self._expected[0] = batch.last + 1
            await self.on_batch(batch)

    async def flush(self) -> None:
        for source in self._sources.values():
            await self._flush(source)


def batch_of(first: int, last: int) -> FetchedBatch:
    offsets = range(first, last + 1)
    seconds = [NOW + offset // PER_BLOCK for offset in offsets]
    event = {"v": 1, "kind": "request", "workload": "a/b", "latency_s": 0.1}
    values = [json.dumps({**event, "at": second}).encode() for second in seconds]
    stamps = [second * 1000 for second in seconds]
    return FetchedBatch(TELEMETRY.topic, 0, [Run(offsets, stamps, values)], 1)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("first", [0, 15])
@pytest.mark.parametrize("order", sorted(set(permutations("AAABBB"))), ids="".join)
async def test_what_is_folded_between_two_seeks_is_not_counted_twice(
    order: Sequence[str], first: int
) -> None:
    """``order``: whom the broker answers; a queued batch from ``first`` on comes at any time."""
    for given_at in range(len(order) + 1):
        assert await counted(order, given_at, first) == {"a/b": EVENTS}


async def counted(order: Sequence[str], given_at: int, first: int) -> dict[str, int]:
    outbox = Outbox()
    role = Role(Settings(), clock=SystemClock(), outbox=outbox, metrics=Metrics())  # type: ignore[arg-type]
    role._load_partitions = 4
    consumer = role.stand_in = Consumer(role)
    consumer.committed = [20, 0]  # The first was the worker's own, and the broker refused it.
    seeks = [asyncio.create_task(consumer.perform_seek(), name=name) for name in "AB"]
    await turns()
    for number, name in enumerate(order):
        if number == given_at:
            await role.give(first, 25)
        consumer.answer(name)
        await turns()
    if given_at == len(order):
        await role.give(first, 25)
    while not all(seek.done() for seek in seeks):
        for name in "AB":
            consumer.answer(name)
        await turns()
    await role.give(0, EVENTS - 1)
    await role.flush()
    merge = Merge(lateness_s=2.0)
    for value in outbox.loads:
        for record in codec.load_records(value):
            assert isinstance(record, Load)
            merge.add(record)
    return merge.totals()


def test_an_offset_that_was_folded_is_refused() -> None:
    folder = BlockFold(0)
    fold_one(folder, 7, 1000, [])
    with pytest.raises(ValueError, match="7 of source 0 again, 8 is next"):
        fold_one(folder, 7, 1000, [])
