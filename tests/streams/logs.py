"""Logs in memory: what ``Outbox`` appends to and ``Ranges`` reads, with offsets, for one test."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

from streams.kafka.ranges import Found


class Logs:
    """Partitions that can be appended to, read, cut at the beginning, and damaged."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], list[Found]] = defaultdict(list)
        self.begins: dict[tuple[str, int], int] = defaultdict(int)

    async def send(
        self, topic: str, value: bytes | None, *, key: str | None, partition: int = 0
    ) -> asyncio.Future[Any]:
        log = self.held[topic, partition]
        log.append(Found(len(log), None if key is None else key.encode(), value))
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(SimpleNamespace(offset=len(log) - 1))
        return done

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self.begins[topic, partition], len(self.held[topic, partition])

    async def since(self, topic: str, partition: int, at_s: float) -> int:
        del at_s
        return self.begins[topic, partition]

    async def read(
        self, topic: str, partition: int, begin: int, end: int
    ) -> AsyncIterator[Sequence[Found]]:
        first = max(begin, self.begins[topic, partition])
        for at in range(first, end, 7):  # A few at a time, as a fetch does.
            yield self.held[topic, partition][at : min(at + 7, end)]

    def cut(self, topic: str, begin: int) -> None:
        self.begins[topic, 0] = begin

    def replace(self, topic: str, offset: int, value: bytes | None) -> None:
        found = self.held[topic, 0][offset]
        self.held[topic, 0][offset] = found._replace(value=value)

    def offsets(self, topic: str, key: str) -> list[int]:
        """Of the records with this key."""
        return [found.offset for found in self.held[topic, 0] if found.key == key.encode()]
