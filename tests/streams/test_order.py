"""Batches are taken in the order of the log: older parts trimmed, gaps sought again, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from streams.kafka.batch import FetchedBatch, Run
from streams.roles.role import RoleService
from streams.settings import Settings


class Consumer:
    """Remembers where it was sent."""

    def __init__(self) -> None:
        self.sought: list[int] = []

    async def seek_wait(self, partitions: Mapping[Any, int]) -> None:
        self.sought.extend(partitions.values())


class Reader(RoleService):
    role = "aggregate"
    topic = "telemetry"

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(Settings())
        self._stand_in = consumer

    @property
    def consumer(self) -> Any:
        return self._stand_in

    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        del partitions
        return {}

    async def on_batch(self, batch: FetchedBatch) -> None:
        del batch


def batch(*offsets: int, partition: int = 0) -> FetchedBatch:
    return FetchedBatch("t", partition, [Run([offset], 0, [b""]) for offset in offsets], 1)


@pytest.fixture
async def reader() -> Reader:
    made = Reader(Consumer())
    made._expected = {0: 10}
    return made


def offsets(found: FetchedBatch | None) -> list[int] | None:
    return None if found is None else [offset for offset, _, _ in found.records()]


async def test_the_next_batch_is_taken_as_it_is(reader: Reader) -> None:
    assert offsets(await reader._in_order(batch(10, 11))) == [10, 11]


async def test_what_is_older_is_trimmed(reader: Reader) -> None:
    assert offsets(await reader._in_order(batch(8, 9, 10, 11))) == [10, 11]
    assert await reader._in_order(batch(7, 8, 9)) is None
    assert reader.consumer.sought == []


async def test_a_gap_is_sought_again_and_believed_the_second_time(reader: Reader) -> None:
    assert await reader._in_order(batch(14, 15)) is None
    assert await reader._in_order(batch(16)) is None  # Was queued behind it.
    assert reader.consumer.sought == [10, 10]
    assert await reader._in_order(batch(14, 15)) is None
    assert offsets(await reader._in_order(batch(14, 15))) == [14, 15]


async def test_after_the_seek_what_was_missing_comes(reader: Reader) -> None:
    assert await reader._in_order(batch(14)) is None
    assert offsets(await reader._in_order(batch(10, 11, 12, 13, 14))) == [10, 11, 12, 13, 14]


async def test_partitions_that_are_not_ours_are_dropped(reader: Reader) -> None:
    assert await reader._in_order(batch(3, partition=5)) is None
