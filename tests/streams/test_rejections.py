"""A commit never runs ahead of a rejection that the broker has not acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

from actuators.clock import SystemClock
from models.blocks import BlockFold
from streams.kafka.batch import FetchedBatch, Run
from streams.metrics import Metrics
from streams.roles.aggregate import Aggregate, _Source
from streams.settings import Settings

NOW = 1_700_000_000
GOOD = b'{"v":1,"kind":"request","workload":"a/b","at":%d,"latency_s":0.1}' % NOW


class Outbox:
    """Loads are acknowledged at once; a rejection not, and the next waits for room first."""

    def __init__(self, waits_at: int) -> None:
        self.rejections: list[asyncio.Future[Any]] = []
        self.room = asyncio.Event()
        self._waits_at = waits_at

    async def send(self, topic: str, value: bytes, **_: Any) -> asyncio.Future[Any]:
        del value
        if topic == "rejected" and len(self.rejections) == self._waits_at:
            await self.room.wait()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if topic == "load":
            future.set_result(None)
        else:
            self.rejections.append(future)
        return future


def role(outbox: Outbox) -> Aggregate:
    made = Aggregate(Settings(), clock=SystemClock(), outbox=outbox, metrics=Metrics())  # type: ignore[arg-type]
    made._load_partitions = 1
    made._sources = {0: _Source(BlockFold(0))}
    return made


async def flushed(one: Aggregate) -> None:
    source = one._sources[0]
    await one._flush(source)
    one._advance(source)


def batch(*runs: tuple[list[int], int, list[bytes]]) -> FetchedBatch:
    made = [Run(offsets, second * 1000, values) for offsets, second, values in runs]
    return FetchedBatch("foretide.telemetry", 0, made, 1)


async def test_of_the_first_batch_after_an_assignment() -> None:
    outbox = Outbox(waits_at=9)
    one = role(outbox)
    await one.on_batch(batch(([0, 1], NOW, [b"bad", b"bad"]), ([2], NOW + 1, [GOOD])))
    await flushed(one)
    assert one.frontiers == {0: 0}
    assert not one.durable()
    for sent in outbox.rejections:
        sent.set_result(None)
    one._advance(one._sources[0])
    assert one.frontiers == {0: 2}


async def test_of_a_batch_that_is_flushed_while_it_waits_for_room() -> None:
    outbox = Outbox(waits_at=1)
    one = role(outbox)
    await one.on_batch(batch(([0], NOW, [GOOD])))
    task = asyncio.create_task(
        one.on_batch(batch(([1, 2], NOW, [b"bad", b"bad"]), ([3], NOW + 1, [GOOD])))
    )
    while not outbox.rejections:
        await asyncio.sleep(0)
    flush = asyncio.create_task(flushed(one))  # The first is on its way, the second waits.
    for _ in range(9):
        await asyncio.sleep(0)
    outbox.rejections[0].set_result(None)
    one._advance(one._sources[0])
    assert one.frontiers in ({}, {0: 0})
    outbox.room.set()
    await task
    await flush
    await flushed(one)
    assert one.frontiers == {0: 0}, "the second is not acknowledged"
    assert not one.durable()
    outbox.rejections[1].set_result(None)
    one._advance(one._sources[0])
    assert one.frontiers == {0: 3}
    assert one.durable()


async def test_a_send_that_failed_is_not_durable() -> None:
    outbox = Outbox(waits_at=9)
    one = role(outbox)
    await one.on_batch(batch(([0, 1], NOW, [b"bad", GOOD])))
    await one._flush(one._sources[0])
    outbox.rejections[0].set_exception(RuntimeError("refused by the broker"))
    assert not one.durable()
