"""Lanes: the order of a partition is kept, and a partition that waits keeps no other waiting."""

from __future__ import annotations

import asyncio

import pytest

from streams.kafka.batch import FetchedBatch, Run
from streams.roles.lanes import JOINED, WAITING, WAITING_BYTES, Lane


class Taker:
    """Takes batches in, each when it is let."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.let = asyncio.Event()

    async def take(self, batch: FetchedBatch) -> None:
        self.taken.append([offset for offset, _, _ in batch.records()])
        await self.let.wait()


def batch(*offsets: int, generation: int = 1) -> FetchedBatch:
    return FetchedBatch("t", 0, [Run(offsets, 0, [b""] * len(offsets))], generation)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_came_while_one_was_taken_in_is_joined() -> None:
    taker = Taker()
    lane = Lane(taker.take)
    running = asyncio.create_task(lane.run())
    lane.add(batch(1))
    await turns()
    assert not lane.idle
    for offset in (2, 3, 4):
        lane.add(batch(offset))
    taker.let.set()
    await turns()
    assert taker.taken == [[1], [2, 3, 4]]
    assert lane.idle
    running.cancel()


async def test_large_batches_and_other_generations_stand_alone() -> None:
    taker = Taker()
    lane = Lane(taker.take)
    large = range(10, 10 + JOINED)
    for each in (batch(1), batch(*large), batch(1000), batch(1001, generation=2), batch(1002)):
        lane.add(each)
    taker.let.set()
    running = asyncio.create_task(lane.run())
    await turns()
    assert taker.taken == [[1], [*large], [1000], [1001], [1002]]
    running.cancel()


async def test_what_was_dropped_is_not_taken_in() -> None:
    taker = Taker()
    lane = Lane(taker.take)
    running = asyncio.create_task(lane.run())
    lane.add(batch(1))
    await turns()
    lane.add(batch(2))
    lane.drop()
    lane.add(batch(1))
    taker.let.set()
    await turns()
    assert taker.taken == [[1], [1]]
    running.cancel()


async def test_a_full_lane_has_no_room_until_one_is_taken() -> None:
    taker = Taker()
    lane = Lane(taker.take)
    for offset in range(WAITING):
        lane.add(batch(offset))
    waiting = asyncio.create_task(lane.room())
    await turns()
    assert not waiting.done()
    running = asyncio.create_task(lane.run())
    await turns()
    assert waiting.done()
    running.cancel()


async def test_a_failure_ends_the_lane() -> None:
    async def take(_: FetchedBatch) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    lane = Lane(take)
    lane.add(batch(1))
    with pytest.raises(ValueError, match="no"):
        await lane.run()
    assert lane.busy_since is None


@pytest.mark.parametrize(("value", "count"), [(WAITING_BYTES, 1), (WAITING_BYTES // 64, 64)])
async def test_heavy_batches_leave_no_room(value: int, count: int) -> None:
    taker = Taker()
    lane = Lane(taker.take)
    lane.add(FetchedBatch("t", 0, [Run(range(count), 0, [b"x" * value] * count)], 1))
    full = asyncio.create_task(lane.room())
    await turns()
    assert not full.done()
    running = asyncio.create_task(lane.run())
    await turns()
    assert full.done(), "what is being taken in does not wait"
    running.cancel()


async def test_what_is_dropped_weighs_nothing() -> None:
    lane = Lane(Taker().take)
    lane.add(FetchedBatch("t", 0, [Run([1], 0, [b"x" * WAITING_BYTES])], 1))
    lane.drop()
    await asyncio.wait_for(lane.room(), 1)
