"""A commit whose partitions were all revoked meanwhile is none, and ends no worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.kafka.transport import _stamped


async def test_a_commit_of_nothing_is_not_made() -> None:
    made: list[Mapping[Any, OffsetAndMetadata]] = []

    async def commit(offsets: Mapping[Any, OffsetAndMetadata]) -> None:
        if not offsets:
            raise ValueError(offsets)  # As aiokafka does.
        made.append(offsets)

    stamped = _stamped(commit)
    await stamped({})
    assert made == []
    partition = TopicPartition("load", 1)
    await stamped({partition: OffsetAndMetadata(7, "")})
    assert [offsets[partition].offset for offsets in made] == [7]
